/* Who may do what: API keys from a file.
 *
 * A line of the file is a key: its name, its scopes, and the key itself or its SHA-256:
 *
 *     # name    scopes              key: at least 16 characters, no space
 *     laptop    read,predict,write  2b8c0d7f4e6a91c35d80
 *     grafana   read                sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
 *
 * Keys are compared by their digests in constant time, each time with all of them. Threads: access_check and access_reload
 * may be called from any. */
#ifndef DIGITD_ACCESS_H
#define DIGITD_ACCESS_H

#include "engine/engine.h"
#include "server/names.h"

enum {
    SCOPE_READ = 1,    /* look at everything */
    SCOPE_PREDICT = 2, /* ask models */
    SCOPE_WRITE = 4,   /* train, promote, delete */
};

struct access;

/* ERR_IO: the file cannot be read. ERR_FORMAT: a line is no key; the message says which, and what was expected. */
MUST_CHECK enum status access_load(const char *path, struct access **ret_access, struct error *err);
void access_free(struct access *access);

/* Reads the file again. On failure the keys stay as they are. */
MUST_CHECK enum status access_reload(struct access *access, struct error *err);

enum access_answer { ACCESS_GRANTED, ACCESS_UNKNOWN, ACCESS_SCOPE };

/* Whether what an Authorization header holds ("Bearer KEY", or "Basic" with the key as password; NULL: there is none) has
 * one of `scopes`. `ret_name` gets the key's name, "" when it is unknown. */
enum access_answer access_check(struct access *access, const char *authorization, unsigned scopes,
                                char ret_name[NAME_MAX_LENGTH + 1]);

#endif
