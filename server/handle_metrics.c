/* GET /metrics: everything that is counted, in Prometheus' text format 0.0.4. Labels are routes and states, never ids. */
#include <stdlib.h>

#include "server/app.h"
#include "server/handlers.h"
#include "server/metrics.h"
#include "server/predict.h"
#include "server/predict_stats.h"
#include "server/problem.h"
#include "server/process_stats.h"
#include "server/reply.h"
#include "server/store_jobs.h"

static void write_predictions(struct app *app, FILE *file)
{
    struct predict_totals totals = predict_stats_totals(predict_service_stats(app->predictions));
    metrics_number(file, "digitd_predict_images_total", "counter", "Images predicted.",
                   (double)totals.images);
    metrics_number(file, "digitd_predict_refused_total", "counter",
                   "Predictions refused since the queue was full.", (double)totals.refused);
    metrics_number(file, "digitd_predict_abandoned_total", "counter",
                   "Predictions dropped since their client had left.", (double)totals.abandoned);
    metrics_number(file, "digitd_predict_queue_images", "gauge", "Images that wait to be predicted.",
                   (double)predict_queue_length(app->predictions));
    metrics_head(file, "digitd_predict_batch_size", "histogram", "Images of a forward pass.");
    metrics_histogram(file, "digitd_predict_batch_size", "", &totals.batch_sizes, &histogram_sizes);
    metrics_head(file, "digitd_predict_queue_seconds", "histogram", "How long predictions waited.");
    metrics_histogram(file, "digitd_predict_queue_seconds", "", &totals.queue_seconds, &histogram_seconds);
}

static enum status write_jobs(struct app *app, FILE *file, struct error *err)
{
    int64_t counts[JOB_STATES];
    enum status status = store_job_count_states(app->store, counts, err);
    if (status != OK)
        return status;
    metrics_head(file, "digitd_jobs", "gauge", "Training jobs by state.");
    for (int i = 0; i < JOB_STATES; i++)
        fprintf(file, "digitd_jobs{state=\"%s\"} %lld\n", job_state_name((enum job_state)i),
                (long long)counts[i]);
    return OK;
}

static void write_process(FILE *file)
{
    struct process_stats stats = process_stats_read();
    metrics_number(file, "process_cpu_seconds_total", "counter", "User and system time.", stats.cpu_seconds);
    metrics_number(file, "process_start_time_seconds", "gauge", "When it started, since 1970.",
                   stats.start_time);
    metrics_number(file, "process_resident_memory_bytes", "gauge", "Memory in use.", stats.resident_bytes);
    metrics_number(file, "process_virtual_memory_bytes", "gauge", "Address space.", stats.virtual_bytes);
    metrics_number(file, "process_open_fds", "gauge", "Open descriptors.", stats.open_descriptors);
    metrics_number(file, "process_max_fds", "gauge", "Descriptors that may be open.", stats.max_descriptors);
    metrics_number(file, "process_threads", "gauge", "Threads.", stats.threads);
}

static enum status write_all(struct app *app, FILE *file, struct error *err)
{
    metrics_head(file, "digitd_build_info", "gauge", "What runs here.");
    fprintf(file, "digitd_build_info{version=\"%s\",instruction_set=\"%s\"} 1\n", DIGITD_VERSION,
            engine_instruction_set());
    metrics_write(app->metrics, file);
    write_predictions(app, file);
    write_process(file);
    return write_jobs(app, file, err);
}

void handle_metrics(struct app *app, struct request *request)
{
    char *text = NULL;
    size_t size;
    struct error err;
    FILE *file = open_memstream(&text, &size);
    enum status status =
        file ? write_all(app, file, &err) : error_set(&err, ERR_MEMORY, "no memory for metrics");
    if (file && fclose(file) != 0 && status == OK)
        status = error_set(&err, ERR_MEMORY, "no memory for metrics");
    if (status == OK) {
        reply_bytes_take(request, 200, "text/plain; version=0.0.4; charset=utf-8", text, size);
        return;
    }
    free(text);
    reply_error(request, &err);
}
