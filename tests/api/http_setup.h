/* The parts of plain requests for tests of the HTTP layer. */
#ifndef DIGITD_TESTS_HTTP_SETUP_H
#define DIGITD_TESTS_HTTP_SETUP_H

#include "tests/api/harness.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct server *server;

static inline bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

#define GET_LIVEZ(headers) "GET /livez HTTP/1.1\r\n" headers "\r\n"
#define HOST               "Host: 127.0.0.1\r\n"
#define CLOSE              "Connection: close\r\n"
#define PREDICT            "POST /api/v1/predict HTTP/1.1\r\n" HOST

#endif
