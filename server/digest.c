#include "server/digest.h"

#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdio.h>

static void digest_finish(struct sha256_ctx *context, char ret_digest[DIGEST_TEXT_SIZE])
{
    uint8_t hash[SHA256_DIGEST_SIZE];
    sha256_digest(context, sizeof hash, hash);
    base16_encode_update(ret_digest, sizeof hash, hash);
    ret_digest[DIGEST_TEXT_SIZE - 1] = '\0';
}

void digest_bytes(const void *bytes, size_t size, char ret_digest[DIGEST_TEXT_SIZE])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, size, bytes);
    digest_finish(&context, ret_digest);
}

enum status digest_file(const char *path, char ret_digest[DIGEST_TEXT_SIZE], int64_t *ret_size,
                        struct error *err)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_set_errno(err, "%s", path);
    struct sha256_ctx context;
    sha256_init(&context);
    uint8_t buffer[16384];
    int64_t size = 0;
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0; size += (int64_t)got)
        sha256_update(&context, got, buffer);
    enum status status = ferror(file) ? error_set_errno(err, "reading %s", path) : OK;
    fclose(file);
    if (status)
        return status;
    digest_finish(&context, ret_digest);
    *ret_size = size;
    return OK;
}
