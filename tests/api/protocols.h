/* Images of MNIST as the protocols of others carry them, and two versions that answer. */
#ifndef DIGITD_TESTS_PROTOCOLS_H
#define DIGITD_TESTS_PROTOCOLS_H

#include "engine/engine.h"
#include "tests/api/harness.h"
#include "tests/api/training.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH_MAX   256
#define IMAGE_BYTES (IMAGE_PIXELS * sizeof(float))

static struct server *server;
static struct dataset *digits; /* MNIST's test set */
static float (*images)[IMAGE_PIXELS];

/* ---- Requests ----------------------------------------------------------------------------------------- */

/* A reply as it came over the socket. */
struct exchange {
    long status;
    char *bytes, *body;
    size_t body_size;
    json_t *json;  /* the body, or the part that Inference-Header-Content-Length tells of */
    float *binary; /* what comes behind it */
    size_t binary_size;
};

static inline void release(struct exchange *exchange)
{
    json_decref(exchange->json);
    free(exchange->binary);
    free(exchange->bytes);
}

static inline struct exchange read_exchange(int fd)
{
    enum { REPLY_MAX = 1 << 20 };
    struct exchange exchange = {.bytes = malloc(REPLY_MAX)};
    assert_non_null(exchange.bytes);
    size_t size = raw_read_all(fd, exchange.bytes, REPLY_MAX), json_size;
    close(fd);
    char *end = strstr(exchange.bytes, "\r\n\r\n");
    assert_non_null(end);
    exchange.status = strtol(exchange.bytes + strlen("HTTP/1.1 "), NULL, 10);
    exchange.body = end + 4;
    exchange.body_size = size - (size_t)(exchange.body - exchange.bytes);
    const char *header = strstr(exchange.bytes, "\r\nInference-Header-Content-Length: ");
    json_size = header && header < end ? strtoul(strchr(header, ':') + 2, NULL, 10) : exchange.body_size;
    assert_true(json_size <= exchange.body_size);
    exchange.json = json_loadb(exchange.body, json_size, JSON_REJECT_DUPLICATES, NULL);
    exchange.binary_size = exchange.body_size - json_size;
    exchange.binary = malloc(exchange.binary_size + 1);
    assert_non_null(exchange.binary);
    memcpy(exchange.binary, exchange.body + json_size, exchange.binary_size);
    return exchange;
}

/* Sends a request of tritonclient: JSON, and images behind it unless `count` is 0. */
static inline int send_inference(const char *path, const char *json, size_t count)
{
    char head[512];
    size_t binary = count * IMAGE_BYTES, length = strlen(json);
    char header[64] = "";
    if (binary)
        snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu\r\n", length);
    int size = snprintf(head, sizeof head,
                        "POST %s HTTP/1.1\r\nUser-Agent: python/gevent-http-client-2.6.1\r\n%s"
                        "Host: 127.0.0.1:8000\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                        path, header, length + binary);
    int fd = raw_connect(server);
    raw_send(fd, head, (size_t)size);
    raw_send(fd, json, length);
    for (size_t sent = 0; sent < binary;) {
        ssize_t got = write(fd, (const char *)images + sent, binary - sent);
        assert_true(got > 0);
        sent += (size_t)got;
    }
    return fd;
}

static inline struct exchange infer(const char *path, const char *json, size_t count)
{
    return read_exchange(send_inference(path, json, count));
}

/* The JSON of tritonclient for `count` images in binary. */
static inline const char *binary_json(size_t count, const char *rest)
{
    static char json[512];
    snprintf(json, sizeof json,
             "{\"id\":\"r1\",\"inputs\":[{\"name\":\"image\",\"shape\":[%zu,1,28,28],\"datatype\":\"FP32\","
             "\"parameters\":{\"binary_data_size\":%zu}}],%s}",
             count, count * IMAGE_BYTES, rest);
    return json;
}

#define ALL_BINARY "\"parameters\":{\"binary_data_output\":true}"
#define AS_JSON    "\"outputs\":[{\"name\":\"probabilities\",\"parameters\":{\"binary_data\":false}}]"

static inline const char *string_in(const json_t *json, const char *field)
{
    const char *text = json_string_value(json_object_get(json, field));
    assert_non_null(text);
    return text;
}

static inline int best_of(const float *row)
{
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (row[i] > row[best])
            best = i;
    return best;
}

static inline void assert_rows_close(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(fabsf(a[i] - b[i]) < 1e-5f);
}

static inline void assert_status(const struct exchange *exchange, long status)
{
    if (exchange->status != status)
        fail_msg("expected %ld, got %ld: %s", status, exchange->status, exchange->body);
}

/* What the model says of the first images, by the Open Inference Protocol in binary. */
static inline void expected_rows(float (*ret_rows)[CLASSES], size_t count)
{
    struct exchange exchange = infer("/v2/models/digits/infer", binary_json(count, ALL_BINARY), count);
    assert_status(&exchange, 200);
    assert_int_equal(exchange.binary_size, count * CLASSES * sizeof(float));
    memcpy(ret_rows, exchange.binary, exchange.binary_size);
    release(&exchange);
}

static inline json_t *image_to_json(size_t index, bool nested)
{
    json_t *list = json_array(), *row = list;
    for (size_t i = 0; i < IMAGE_PIXELS; i++) {
        if (nested && i % IMAGE_SIDE == 0) {
            row = json_array();
            json_array_append_new(list, row);
        }
        json_array_append_new(row, json_real((double)images[index][i]));
    }
    return list;
}

static inline const struct response *post_value(const char *path, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    /* As curl -d sends it. */
    const struct call call = {.path = path, .media_type = "application/x-www-form-urlencoded", .body = text};
    const struct response *response = send_call(server, &call);
    free(text);
    json_decref(value);
    return response;
}

static inline int load_digits(void)
{
    char folder[512];
    const char *data_dir = getenv("DIGITD_DATA_DIR");
    struct error err;
    snprintf(folder, sizeof folder, "%s/mnist", data_dir ? data_dir : "data/datasets");
    images = malloc(BATCH_MAX * sizeof *images);
    if (!images || dataset_load(folder, SPLIT_TEST, &digits, &err) != OK)
        return -1;
    for (size_t i = 0; i < BATCH_MAX; i++)
        for (size_t p = 0; p < IMAGE_PIXELS; p++)
            images[i][p] = (float)dataset_image(digits, i)[p] / 255.0f;
    return 0;
}

static inline int train_two_versions(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    for (int i = 0; i < 2; i++) {
        start_job(server,
                  i == 0 ? QUICK_JOB
                         : "{" TINY_MODEL ",\"training\":{\"epochs\":1,\"train_limit\":500,\"seed\":9},"
                           "\"promotion\":\"never\"}",
                  id);
        wait_for_state(server, id, "succeeded");
    }
    return 0;
}

#endif
