#include "server/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "server/histogram.h"

#define STATUSES_MAX 24

/* A route by one of its methods. */
struct endpoint {
    struct endpoint *next;
    const char *method, *route;
    struct histogram seconds;
    size_t status_count;
    struct {
        unsigned status;
        uint64_t count;
    } statuses[STATUSES_MAX];
};

struct metrics {
    pthread_mutex_t mutex; /* guards the rest */
    struct endpoint *endpoints;
    uint64_t trained;
};

enum status metrics_create(struct metrics **ret_metrics, struct error *err)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return error_set(err, ERR_MEMORY, "no memory for metrics");
    pthread_mutex_init(&metrics->mutex, NULL);
    *ret_metrics = metrics;
    return OK;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (struct endpoint *endpoint = metrics->endpoints, *next; endpoint; endpoint = next) {
        next = endpoint->next;
        free(endpoint);
    }
    pthread_mutex_destroy(&metrics->mutex);
    free(metrics);
}

/* ---- Counting --------------------------------------------------------------------------------------- */

/* Found by address: names are constants. NULL without memory. */
static struct endpoint *find_locked(struct metrics *metrics, const char *method, const char *route)
{
    struct endpoint *endpoint = metrics->endpoints;
    while (endpoint && (endpoint->route != route || endpoint->method != method))
        endpoint = endpoint->next;
    if (endpoint)
        return endpoint;
    endpoint = calloc(1, sizeof *endpoint);
    if (!endpoint)
        return NULL;
    endpoint->method = method;
    endpoint->route = route;
    endpoint->next = metrics->endpoints;
    metrics->endpoints = endpoint;
    return endpoint;
}

static void count_status(struct endpoint *endpoint, unsigned status)
{
    size_t i = 0;
    while (i < endpoint->status_count && endpoint->statuses[i].status != status)
        i++;
    if (i == STATUSES_MAX)
        return;
    if (i == endpoint->status_count)
        endpoint->statuses[endpoint->status_count++].status = status;
    endpoint->statuses[i].count++;
}

void metrics_request(struct metrics *metrics, const char *method, const char *route, unsigned status,
                     double seconds)
{
    pthread_mutex_lock(&metrics->mutex);
    struct endpoint *endpoint = find_locked(metrics, method, route);
    if (endpoint) {
        count_status(endpoint, status);
        histogram_add(&endpoint->seconds, &histogram_seconds, seconds);
    }
    pthread_mutex_unlock(&metrics->mutex);
}

void metrics_trained(struct metrics *metrics, uint64_t images)
{
    pthread_mutex_lock(&metrics->mutex);
    metrics->trained += images;
    pthread_mutex_unlock(&metrics->mutex);
}

/* ---- Writing ---------------------------------------------------------------------------------------- */

void metrics_head(FILE *file, const char *name, const char *type, const char *help)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_number(FILE *file, const char *name, const char *type, const char *help, double value)
{
    metrics_head(file, name, type, help);
    fprintf(file, "%s %.17g\n", name, value);
}

void metrics_histogram(FILE *file, const char *name, const char *labels, const struct histogram *histogram,
                       const struct histogram_bounds *bounds)
{
    uint64_t count = 0;
    const char *comma = *labels ? "," : "", *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    for (size_t i = 0; i < bounds->count; i++) {
        count += histogram->counts[i];
        fprintf(file, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, labels, comma, bounds->bounds[i],
                count);
    }
    fprintf(file, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, histogram->total);
    fprintf(file, "%s_sum%s%s%s %.9g\n", name, open, labels, close, histogram->sum);
    fprintf(file, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, histogram->total);
}

static void write_requests_locked(const struct metrics *metrics, FILE *file)
{
    metrics_head(file, "digitd_http_requests_total", "counter", "Requests that got their reply.");
    for (const struct endpoint *at = metrics->endpoints; at; at = at->next)
        for (size_t i = 0; i < at->status_count; i++)
            fprintf(file, "digitd_http_requests_total{method=\"%s\",route=\"%s\",code=\"%u\"} %" PRIu64 "\n",
                    at->method, at->route, at->statuses[i].status, at->statuses[i].count);
    metrics_head(file, "digitd_http_request_duration_seconds", "histogram",
                 "From the request line to the end of the reply.");
    for (const struct endpoint *at = metrics->endpoints; at; at = at->next) {
        char labels[256];
        snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\"", at->method, at->route);
        metrics_histogram(file, "digitd_http_request_duration_seconds", labels, &at->seconds,
                          &histogram_seconds);
    }
}

void metrics_write(struct metrics *metrics, FILE *file)
{
    pthread_mutex_lock(&metrics->mutex);
    write_requests_locked(metrics, file);
    metrics_number(file, "digitd_train_images_total", "counter", "Images trained on.",
                   (double)metrics->trained);
    pthread_mutex_unlock(&metrics->mutex);
}
