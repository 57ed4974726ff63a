/* Loads an HTTP server with predictions: `bench_serve PORT MNIST_DIR CONNECTIONS RATE SECONDS [BATCH]`.
 *
 * Over CONNECTIONS connections that are kept alive it posts test images as 28x28 PNGs to /api/v1/predict, or BATCH images
 * together as a binary tensor to /v2/models/digits/infer. RATE 0: each
 * connection sends its next request as soon as it has the answer to the last. Otherwise RATE requests a second are due
 * at even distances, and what a request waits for a free connection counts as its latency. For each line read it loads
 * the server for SECONDS and prints {"predictions_per_second": …, "p50_ms": …, "p99_ms": …}; an answer other than 200
 * ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define IMAGES        1000
#define PNG_MAX       1536
#define HEAD_MAX      1024
#define ANSWER_MAX    16384
#define BATCH_MAX     1000
#define LATENCIES_MAX ((size_t)1 << 22)
#define EVENTS_MAX    64

struct connection {
    int fd;
    bool busy;
    double due; /* when its request was due */
    size_t size;
    char answer[ANSWER_MAX];
};

struct load {
    int epoll, connection_count;
    size_t batch; /* images of a request */
    double rate;  /* requests a second; 0: as many as are answered */
    struct connection *connections;
    struct connection **idle; /* a stack */
    int idle_count;
    size_t sent, latency_count;
    double *latencies; /* seconds */
};

struct request {
    char *bytes;
    size_t size;
};

static struct request requests[IMAGES];
static size_t request_count;

static _Noreturn void PRINTF_LIKE(1, 2) end(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bench_serve: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* ---- Requests ----------------------------------------------------------------------------------------------- */

static void add_request(const char *head, const void *body, size_t body_size)
{
    size_t head_size = strlen(head);
    struct request *request = &requests[request_count++];
    request->size = head_size + body_size;
    request->bytes = malloc(request->size);
    if (!request->bytes)
        end("no memory for the requests");
    memcpy(request->bytes, head, head_size);
    memcpy(request->bytes + head_size, body, body_size);
}

static void add_png(const uint8_t *levels, int port)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .width = 28, .height = 28, .format = PNG_FORMAT_GRAY};
    char png[PNG_MAX], head[HEAD_MAX];
    png_alloc_size_t size = sizeof png;
    if (!png_image_write_to_memory(&image, png, &size, 0, levels, 0, NULL))
        end("cannot write a PNG: %s", image.message);
    snprintf(head, sizeof head,
             "POST /api/v1/predict HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: image/png\r\n"
             "Content-Length: %zu\r\n\r\n",
             port, (size_t)size);
    add_request(head, png, size);
}

static void add_tensor(const struct dataset *dataset, size_t batch, int port)
{
    char json[HEAD_MAX / 2], head[HEAD_MAX];
    size_t numbers = batch * IMAGE_PIXELS, size = numbers * sizeof(float);
    int json_size = snprintf(json, sizeof json,
                             "{\"inputs\":[{\"name\":\"image\",\"shape\":[%zu,1,28,28],\"datatype\":\"FP32\","
                             "\"parameters\":{\"binary_data_size\":%zu}}],"
                             "\"parameters\":{\"binary_data_output\":true}}",
                             batch, size);
    snprintf(head, sizeof head,
             "POST /v2/models/digits/infer HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
             "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: %d\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             port, json_size, (size_t)json_size + size, json);
    float *tensor = malloc(size);
    if (!tensor)
        end("no memory for a tensor");
    for (size_t i = 0; i < numbers; i++)
        tensor[i] = (float)dataset_image(dataset, i / IMAGE_PIXELS)[i % IMAGE_PIXELS] / 255.0f;
    add_request(head, tensor, size);
    free(tensor);
}

static void make_requests(const char *folder, int port, size_t batch)
{
    struct dataset *dataset;
    struct error err;
    if (dataset_load(folder, SPLIT_TEST, &dataset, &err) != OK)
        end("%s", err.message);
    if (batch)
        add_tensor(dataset, batch, port);
    for (size_t i = 0; i < IMAGES && !batch; i++)
        add_png(dataset_image(dataset, i), port);
    dataset_unref(dataset);
}

/* ---- Connections -------------------------------------------------------------------------------------------- */

static void open_connection(struct load *load, struct connection *connection, int port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 || connect(connection->fd, (const struct sockaddr *)&address, sizeof address) != 0)
        end("cannot connect to port %d: %s", port, strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event);
    load->idle[load->idle_count++] = connection;
}

static void send_next(struct load *load, double due)
{
    struct connection *connection = load->idle[--load->idle_count];
    const struct request *request = &requests[load->sent++ % request_count];
    connection->busy = true;
    connection->due = due;
    connection->size = 0;
    if (send(connection->fd, request->bytes, request->size, MSG_NOSIGNAL) != (ssize_t)request->size)
        end("cannot send: %s", strerror(errno));
}

static bool is_complete(const struct connection *connection)
{
    const char *head_end = strstr(connection->answer, "\r\n\r\n");
    if (!head_end)
        return false;
    const char *length = strcasestr(connection->answer, "\r\nContent-Length:");
    if (!length || length > head_end)
        end("an answer without a length");
    size_t head = (size_t)(head_end + 4 - connection->answer);
    return connection->size >= head + strtoul(length + 17, NULL, 10);
}

static void receive(struct load *load, struct connection *connection)
{
    ssize_t size = recv(connection->fd, connection->answer + connection->size,
                        ANSWER_MAX - 1 - connection->size, MSG_DONTWAIT);
    if (size <= 0)
        end("a connection ended before the answer");
    connection->size += (size_t)size;
    connection->answer[connection->size] = '\0';
    if (!is_complete(connection))
        return;
    if (!connection->busy || strncmp(connection->answer, "HTTP/1.1 200 ", 13) != 0)
        end("expected 200, got %s", connection->answer);
    connection->busy = false;
    load->idle[load->idle_count++] = connection;
    if (load->latency_count < LATENCIES_MAX)
        load->latencies[load->latency_count++] = bench_now() - connection->due;
}

/* ---- Load --------------------------------------------------------------------------------------------------- */

/* Sends what is due by now; returns seconds until the next is, 1 when only an answer can bring one. */
static double send_due(struct load *load, double start, double stop)
{
    double now = bench_now();
    while (load->idle_count && now < stop) {
        double due = load->rate > 0 ? start + (double)load->sent / load->rate : now;
        if (due > now)
            return due - now;
        send_next(load, due);
    }
    return 1;
}

static void wait_and_receive(struct load *load, double seconds)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec timeout = {.tv_sec = (time_t)seconds,
                               .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    int count = epoll_pwait2(load->epoll, events, EVENTS_MAX, &timeout, NULL);
    for (int i = 0; i < count; i++)
        receive(load, events[i].data.ptr);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct load *load, double seconds)
{
    double start = bench_now(), stop = start + seconds;
    load->sent = load->latency_count = 0;
    while (bench_now() < stop)
        wait_and_receive(load, send_due(load, start, stop));
    size_t in_time = load->latency_count;
    while (load->idle_count < load->connection_count)
        wait_and_receive(load, 1);
    size_t count = load->latency_count;
    if (in_time == 0)
        end("no answer in %g s", seconds);
    qsort(load->latencies, count, sizeof *load->latencies, compare_doubles);
    printf("{\"predictions_per_second\": %.1f, \"p50_ms\": %.4f, \"p99_ms\": %.4f}\n",
           (double)(in_time * load->batch) / seconds, 1e3 * load->latencies[count / 2],
           1e3 * load->latencies[count * 99 / 100]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int batch = argc == 7 ? atoi(argv[6]) : 0;
    if (argc < 6 || argc > 7 || atoi(argv[3]) < 1 || batch < 0 || batch > BATCH_MAX) {
        fprintf(stderr, "usage: bench_serve PORT MNIST_DIR CONNECTIONS RATE SECONDS [BATCH]\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[3]);
    struct load load = {.epoll = epoll_create1(0),
                        .connection_count = count,
                        .batch = batch ? (size_t)batch : 1,
                        .rate = atof(argv[4]),
                        .connections = calloc((size_t)count, sizeof *load.connections),
                        .idle = calloc((size_t)count, sizeof(struct connection *)),
                        .latencies = malloc(LATENCIES_MAX * sizeof *load.latencies)};
    if (!load.connections || !load.idle || !load.latencies)
        end("no memory for %d connections", count);
    make_requests(argv[2], port, (size_t)batch);
    for (int i = 0; i < count; i++)
        open_connection(&load, &load.connections[i], port);
    printf("{\"name\": \"bench_serve\", \"detail\": \"%d connections\"}\n", count);
    fflush(stdout);
    while (bench_next())
        measure(&load, atof(argv[5]));
    for (int i = 0; i < count; i++)
        close(load.connections[i].fd);
    for (size_t i = 0; i < request_count; i++)
        free(requests[i].bytes);
    free(load.connections);
    free(load.idle);
    free(load.latencies);
    return 0;
}
