#include "server/access.h"

#include <errno.h>
#include <nettle/base16.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "server/base64.h"
#include "server/log.h"

#define LINE_MAX_SIZE 512
#define KEYS_MAX      1000
#define KEY_LENGTH    16 /* at least */

struct key {
    char name[NAME_MAX_LENGTH + 1];
    unsigned scopes;
    uint8_t digest[SHA256_DIGEST_SIZE];
};

struct keys {
    size_t count;
    struct key items[];
};

struct access {
    pthread_mutex_t mutex; /* guards keys */
    struct keys *keys;
    char path[];
};

static const struct {
    const char *name;
    unsigned scope;
} scopes_known[] = {{"read", SCOPE_READ}, {"predict", SCOPE_PREDICT}, {"write", SCOPE_WRITE}};

static void digest(const void *bytes, size_t size, uint8_t ret_digest[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, size, bytes);
    sha256_digest(&context, SHA256_DIGEST_SIZE, ret_digest);
}

/* ---- The file --------------------------------------------------------------------------------------- */

static bool read_scopes(char *text, unsigned *ret_scopes)
{
    char *rest = NULL;
    *ret_scopes = 0;
    for (char *name = strtok_r(text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        unsigned scope = 0;
        for (size_t i = 0; i < sizeof scopes_known / sizeof *scopes_known; i++)
            if (strcmp(scopes_known[i].name, name) == 0)
                scope = scopes_known[i].scope;
        if (!scope)
            return false;
        *ret_scopes |= scope;
    }
    return *ret_scopes != 0;
}

static bool read_digest(const char *text, uint8_t ret_digest[SHA256_DIGEST_SIZE])
{
    struct base16_decode_ctx context;
    size_t size = SHA256_DIGEST_SIZE;
    base16_decode_init(&context);
    return strlen(text) == 2 * SHA256_DIGEST_SIZE &&
           base16_decode_update(&context, &size, ret_digest, strlen(text), text) &&
           size == SHA256_DIGEST_SIZE;
}

/* What is wrong with the line, NULL when it is a key. */
static const char *read_key(char *line, struct key *ret_key)
{
    static const char spaces[] = " \t\r\n", prefix[] = "sha256:";
    char *rest = NULL, *name = strtok_r(line, spaces, &rest), *scopes = strtok_r(NULL, spaces, &rest),
         *key = strtok_r(NULL, spaces, &rest);
    if (!key || strtok_r(NULL, spaces, &rest))
        return "expected a name, scopes and a key";
    if (!name_is_valid(name))
        return "a name is " NAME_RULE;
    if (!read_scopes(scopes, &ret_key->scopes))
        return "scopes are read, predict and write, with commas between";
    snprintf(ret_key->name, sizeof ret_key->name, "%s", name);
    if (strncmp(key, prefix, strlen(prefix)) == 0)
        return read_digest(key + strlen(prefix), ret_key->digest) ? NULL
                                                                  : "sha256: is followed by 64 hex digits";
    if (strlen(key) < KEY_LENGTH)
        return "a key has at least 16 characters";
    digest(key, strlen(key), ret_key->digest);
    return NULL;
}

static enum status read_keys(FILE *file, const char *path, struct keys **keys, struct error *err)
{
    char line[LINE_MAX_SIZE];
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        if (line[strspn(line, " \t\r\n")] == '\0' || line[strspn(line, " \t")] == '#')
            continue;
        if ((*keys)->count == KEYS_MAX)
            return error_set(err, ERR_FORMAT, "%s holds more than %d keys", path, KEYS_MAX);
        bool whole = strchr(line, '\n') || feof(file);
        const char *fault = whole ? read_key(line, &(*keys)->items[(*keys)->count]) : "the line is too long";
        if (fault)
            return error_set(err, ERR_FORMAT, "%s, line %d: %s", path, number, fault);
        (*keys)->count++;
        explicit_bzero(line, sizeof line);
    }
    if ((*keys)->count == 0)
        return error_set(err, ERR_FORMAT, "%s holds no key", path);
    return OK;
}

static void warn_if_open(FILE *file, const char *path)
{
    struct stat info;
    if (fstat(fileno(file), &info) == 0 && (info.st_mode & (S_IROTH | S_IWOTH)))
        log_warning("%s can be read by every user of this machine: chmod 640 it", path);
}

static enum status load(const char *path, struct keys **ret_keys, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set_errno(err, "cannot read the API keys in %s", path);
    struct keys *keys = calloc(1, sizeof *keys + KEYS_MAX * sizeof *keys->items);
    enum status status =
        keys ? read_keys(file, path, &keys, err) : error_set(err, ERR_MEMORY, "no memory for API keys");
    if (status == OK)
        warn_if_open(file, path);
    fclose(file);
    if (status == OK)
        *ret_keys = keys;
    else
        free(keys);
    return status;
}

enum status access_load(const char *path, struct access **ret_access, struct error *err)
{
    struct access *access = calloc(1, sizeof *access + strlen(path) + 1);
    if (!access)
        return error_set(err, ERR_MEMORY, "no memory for API keys");
    memcpy(access->path, path, strlen(path) + 1);
    enum status status = load(path, &access->keys, err);
    if (status != OK) {
        free(access);
        return status;
    }
    pthread_mutex_init(&access->mutex, NULL);
    *ret_access = access;
    return OK;
}

void access_free(struct access *access)
{
    if (!access)
        return;
    pthread_mutex_destroy(&access->mutex);
    free(access->keys);
    free(access);
}

enum status access_reload(struct access *access, struct error *err)
{
    struct keys *keys, *before;
    enum status status = load(access->path, &keys, err);
    if (status != OK)
        return status;
    pthread_mutex_lock(&access->mutex);
    before = access->keys;
    access->keys = keys;
    pthread_mutex_unlock(&access->mutex);
    free(before);
    return OK;
}

/* ---- Checking ----------------------------------------------------------------------------------------- */

/* What follows the name of a scheme; NULL when it is another. */
static const char *after_scheme(const char *authorization, const char *scheme)
{
    size_t length = strlen(scheme);
    if (strncasecmp(authorization, scheme, length) != 0 || authorization[length] != ' ')
        return NULL;
    return authorization + length + strspn(authorization + length, " ");
}

/* The digest of the password in base64("user:password"). */
static bool digest_password(const char *text, uint8_t ret_digest[SHA256_DIGEST_SIZE])
{
    uint8_t *plain;
    size_t size;
    if (base64_decode(text, strlen(text), &plain, &size, NULL) != OK)
        return false;
    const uint8_t *colon = memchr(plain, ':', size);
    if (colon)
        digest(colon + 1, size - (size_t)(colon + 1 - plain), ret_digest);
    explicit_bzero(plain, size);
    free(plain);
    return colon;
}

static bool digest_credentials(const char *authorization, uint8_t ret_digest[SHA256_DIGEST_SIZE])
{
    const char *bearer = after_scheme(authorization, "Bearer"), *basic = after_scheme(authorization, "Basic");
    if (bearer)
        digest(bearer, strlen(bearer), ret_digest);
    return bearer || (basic && digest_password(basic, ret_digest));
}

enum access_answer access_check(struct access *access, const char *authorization, unsigned scopes,
                                char ret_name[NAME_MAX_LENGTH + 1])
{
    uint8_t given[SHA256_DIGEST_SIZE];
    struct key found = {.scopes = 0};
    ret_name[0] = '\0';
    if (!authorization || !digest_credentials(authorization, given))
        return ACCESS_UNKNOWN;
    pthread_mutex_lock(&access->mutex);
    for (size_t i = 0; i < access->keys->count; i++)
        if (memeql_sec(access->keys->items[i].digest, given, sizeof given))
            found = access->keys->items[i];
    pthread_mutex_unlock(&access->mutex);
    if (!found.scopes)
        return ACCESS_UNKNOWN;
    memcpy(ret_name, found.name, sizeof found.name);
    return found.scopes & scopes ? ACCESS_GRANTED : ACCESS_SCOPE;
}
