/* SHA-256 as 64 hex digits. Any thread. */
#ifndef DIGITD_DIGEST_H
#define DIGITD_DIGEST_H

#include "engine/engine.h"

#define DIGEST_TEXT_SIZE 65

void digest_bytes(const void *bytes, size_t size, char ret_digest[DIGEST_TEXT_SIZE]);

/* Of a file's bytes; also says how many they are. */
MUST_CHECK enum status digest_file(const char *path, char ret_digest[DIGEST_TEXT_SIZE], int64_t *ret_size,
                                   struct error *err);

#endif
