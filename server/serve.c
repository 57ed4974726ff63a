#include "server/serve.h"

#include <errno.h>
#include <jansson.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "server/access.h"
#include "server/app.h"
#include "server/commands.h"
#include "server/datasets.h"
#include "server/engine_start.h"
#include "server/evaluations.h"
#include "server/event_streams.h"
#include "server/http.h"
#include "server/job_json.h"
#include "server/job_runner.h"
#include "server/jobs.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/predict.h"
#include "server/registry.h"
#include "server/retention.h"
#include "server/store.h"
#include "server/sweeps.h"

#define ALLOW_HOSTS_MAX 32

/* Connections beside which descriptors are needed: files, database, listening socket, epoll. */
#define DESCRIPTORS_BESIDE 64

struct settings {
    const char *listen, *store, *data_dir, *static_dir, *allow_host;
    const char *api_key_file;
    bool no_auth, no_bootstrap;
    int threads, concurrent_jobs, queue_limit, keep_jobs, event_streams;
    size_t memory_limit;
    int http_threads, http_workers;
    int predict_workers, predict_batch, predict_queue;
    int max_connections, max_connections_per_address;
    int idle_timeout, header_timeout, body_timeout, reply_timeout, drain_timeout;
    size_t body_memory;
    enum log_level log_level;
    enum log_format log_format;
    enum access_log access_log;
};

#define AT(member) offsetof(struct settings, member)
#define A_DAY      86400
#define SECONDS(name, member, text)                                                                          \
    {                                                                                                        \
        name, OPTION_INT, AT(member), "SECONDS", .help = text, .min = 1, .max = A_DAY                        \
    }

static const struct option_spec specs[] = {
    {"listen", OPTION_STRING, AT(listen), "ADDRESS:PORT", .help = "Where to listen; port 0 takes a free one"},
    {"store", OPTION_STRING, AT(store), "DIR", .help = "Database, models and checkpoints"},
    {"data-dir", OPTION_STRING, AT(data_dir), "DIR", .help = "Where the datasets are, a folder each"},
    {"no-bootstrap", OPTION_FLAG, AT(no_bootstrap),
     .help = "Do not train the reference model when the store is empty"},
    {"api-key-file", OPTION_STRING, AT(api_key_file), "FILE",
     .help = "Ask for an API key of this file: lines of name, scopes (read,predict,write) and key; SIGHUP "
             "reads it again"},
    {"no-auth", OPTION_FLAG, AT(no_auth),
     .help = "Listen without keys on an address that others can reach: they may do everything"},
    {"allow-host", OPTION_STRING, AT(allow_host), "NAME,...",
     .help = "Names in the header Host to answer to, besides loopback's and the listen address"},
    {"threads", OPTION_INT, AT(threads), "N", .help = "Threads that train (default: one a processor)",
     .min = 1, .max = 256},
    {"concurrent-jobs", OPTION_INT, AT(concurrent_jobs), "N",
     .help = "Jobs that train at once; they share the threads", .min = 1, .max = JOBS_CONCURRENT_MAX},
    {"queue-limit", OPTION_INT, AT(queue_limit), "N", .help = "Jobs that may wait", .min = 1, .max = 10000},
    {"keep-jobs", OPTION_INT, AT(keep_jobs), "N",
     .help =
         "Finished jobs to keep, trials of sweeps among them; the oldest are forgotten, their versions stay",
     .min = 1, .max = 1000000},
    {"memory-limit", OPTION_BYTES, AT(memory_limit), "BYTES",
     .help = "What a training job may use; larger ones are refused (default: no limit)"},
    {"event-streams", OPTION_INT, AT(event_streams), "N",
     .help = "Clients that may follow the events of jobs at once", .min = 1, .max = 1 << 16},
    {"http-threads", OPTION_INT, AT(http_threads), "N",
     .help = "Threads that read and write connections (default: one a processor, at most 4)", .min = 1,
     .max = 64},
    {"http-workers", OPTION_INT, AT(http_workers), "N", .help = "Threads for requests that wait for the disk",
     .min = 1, .max = 64},
    {"predict-workers", OPTION_INT, AT(predict_workers), "N",
     .help = "Threads that predict (default: one a processor)", .min = 1, .max = 64},
    {"predict-batch", OPTION_INT, AT(predict_batch), "N",
     .help = "Images that are predicted together, at most", .min = 1, .max = 1024},
    {"predict-queue", OPTION_INT, AT(predict_queue), "N", .help = "Images that may wait to be predicted",
     .min = 1024, .max = 1 << 20},
    {"max-connections", OPTION_INT, AT(max_connections), "N", .help = "Connections at once", .min = 1,
     .max = 1 << 20},
    {"max-connections-per-address", OPTION_INT, AT(max_connections_per_address), "N",
     .help = "Connections at once from one address (default: no limit)", .min = 1, .max = 1 << 20},
    SECONDS("idle-timeout", idle_timeout, "How long a connection may be idle"),
    SECONDS("header-timeout", header_timeout, "How long the headers of a request may take"),
    SECONDS("body-timeout", body_timeout, "How long the body of a request may take"),
    SECONDS("reply-timeout", reply_timeout, "How long a reply may take"),
    SECONDS("drain-timeout", drain_timeout, "How long requests may go on after SIGTERM"),
    {"body-memory", OPTION_BYTES, AT(body_memory), "BYTES",
     .help = "Memory for the bodies of all requests at once", .min = 16 << 20, .max = 1e15},
    {"static", OPTION_STRING, AT(static_dir), "DIR",
     .help = "Serve the page from this folder instead of from the program, to work on it"},
    {"log-level", OPTION_CHOICE, AT(log_level), "LEVEL", .help = "What to log", .choices = log_level_names},
    {"log-format", OPTION_CHOICE, AT(log_format), "FORMAT",
     .help = "How to log: for a person, or a collector", .choices = log_format_names},
    {"access-log", OPTION_CHOICE, AT(access_log), "WHICH",
     .help = "Requests to log; of probes, scrapes and the page's files only those that failed",
     .choices = access_log_names},
};

static const struct options options = {
    .command = "serve",
    .arguments = "[OPTION]...",
    .about = "Serves the page and the HTTP API, and trains what is asked for. Logs go to stderr; one\n"
             "line with the address goes to stdout as soon as connections are accepted.\n"
             "SIGTERM and Ctrl-C finish the requests under way, then end it.",
    .specs = specs,
    .count = ARRAY_LENGTH(specs),
};

static struct settings default_settings(void)
{
    int processors = cpu_count();
    return (struct settings){.listen = "127.0.0.1:8080",
                             .store = "data/store",
                             .data_dir = "data/datasets",
                             .threads = processors,
                             .concurrent_jobs = 1,
                             .queue_limit = 100,
                             .keep_jobs = 10000,
                             .event_streams = 1000,
                             .http_threads = processors < 4 ? processors : 4,
                             .http_workers = 4,
                             .predict_workers = processors,
                             .predict_batch = 64,
                             .predict_queue = 4096,
                             .max_connections = 10000,
                             .idle_timeout = 60,
                             .header_timeout = 10,
                             .body_timeout = 30,
                             .reply_timeout = 300,
                             .drain_timeout = 8,
                             .body_memory = (size_t)256 << 20,
                             .log_level = LOG_INFO,
                             .access_log = ACCESS_LOG_ALL};
}

/* ---- Start ----------------------------------------------------------------------------------------------------- */

/* Everything that runs; freed in the order of service_free. */
struct service {
    struct app app;
    struct job_runner *runner;
    struct http_server *http;
};

/* Splits --allow-host in place of its copy `text`. */
static size_t split_names(char *text, const char *names[ALLOW_HOSTS_MAX])
{
    size_t count = 0;
    char *rest = NULL;
    for (char *name = strtok_r(text, ", ", &rest); name && count < ALLOW_HOSTS_MAX;
         name = strtok_r(NULL, ", ", &rest))
        names[count++] = name;
    return count;
}

/* As many descriptors as the connections need, if the system allows. */
static void raise_descriptor_limit(const struct settings *settings)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)settings->max_connections + (rlim_t)settings->event_streams + DESCRIPTORS_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warning("only %llu descriptors are allowed: fewer than %d connections will be possible",
                    (unsigned long long)limit.rlim_cur, settings->max_connections);
}

static enum status compute_start(const struct settings *settings, struct error *err)
{
    enum status status = engine_start(err);
    if (status == OK)
        log_info("digitd %s: OpenBLAS core type %s, %s kernels, %d threads to train", DIGITD_VERSION,
                 engine_core_type(), engine_instruction_set(), settings->threads);
    return status;
}

/* For event_streams.h. A place in which no job runs has no data. */
static bool tell_progress(void *context, size_t index, struct event_record *ret_event)
{
    struct jobs *jobs = context;
    struct job_view view;
    if (index >= JOBS_CONCURRENT_MAX)
        return false;
    if (jobs_running(jobs, index, &view, NULL))
        return true;
    if (view.is_live) {
        json_t *progress = job_progress_to_json(&view);
        memcpy(ret_event->job, view.record.id, sizeof view.record.id);
        memcpy(ret_event->sweep, view.record.sweep, sizeof view.record.sweep);
        ret_event->data = progress ? json_dumps(progress, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
        json_decref(progress);
    }
    job_view_clear(&view);
    return true;
}

static enum status streams_start(const struct settings *settings, struct app *app, struct error *err)
{
    const struct event_streams_config config = {
        .max = (size_t)settings->event_streams, .progress = tell_progress, .context = app->jobs};
    return event_streams_create(app->store, &config, &app->streams, err);
}

static enum status services_start(const struct settings *settings, struct service *service, struct error *err)
{
    struct app *app = &service->app;
    const struct predict_config predict_config = {.workers = settings->predict_workers,
                                                  .batch_max = (size_t)settings->predict_batch,
                                                  .queue_max = (size_t)settings->predict_queue};
    const struct jobs_config jobs_config = {
        .queue_limit = (size_t)settings->queue_limit,
        .concurrent = settings->concurrent_jobs,
        .limits = {.threads = job_runner_share(settings->threads, settings->concurrent_jobs, 0),
                   .memory_limit = settings->memory_limit}};
    enum status status = metrics_create(&app->metrics, err);
    if (status == OK && settings->api_key_file)
        status = access_load(settings->api_key_file, &app->access, err);
    if (status == OK)
        status = compute_start(settings, err);
    if (status == OK)
        status = store_open(settings->store, &app->store, err);
    if (status == OK)
        status = datasets_create(settings->data_dir, &app->datasets, err);
    if (status == OK) {
        datasets_use_store(app->datasets, app->store);
        status = registry_create(app->store, &app->registry, err);
    }
    if (status == OK)
        status = predict_service_create(&predict_config, &app->predictions, err);
    if (status == OK)
        status = registry_serve(app->registry, app->predictions, err);
    if (status == OK)
        status = evaluations_create(app->store, app->registry, app->datasets, settings->threads,
                                    &app->evaluations, err);
    if (status == OK)
        status = jobs_create(app->store,
                             &(struct job_sources){.datasets = app->datasets, .registry = app->registry},
                             &jobs_config, &app->jobs, err);
    if (status == OK)
        status = sweeps_create(app->store, app->jobs, app->registry, app->datasets, settings->threads,
                               &app->sweeps, err);
    if (status == OK && !settings->no_bootstrap)
        status = jobs_bootstrap(app->jobs, err);
    if (status == OK)
        status = streams_start(settings, app, err);
    if (status == OK)
        status = job_runner_create(app, settings->threads, settings->concurrent_jobs, &service->runner, err);
    if (status == OK)
        status =
            retention_create(app->store, app->jobs, app->sweeps, settings->keep_jobs, &app->retention, err);
    return status;
}

static enum status http_start(const struct settings *settings, struct service *service, struct error *err)
{
    const char *names[ALLOW_HOSTS_MAX];
    char *list = strdup(settings->allow_host ? settings->allow_host : "");
    if (!list)
        return error_set(err, ERR_MEMORY, "no memory for the list of hosts");
    const struct http_config config = {
        .listen = settings->listen,
        .allow_hosts = names,
        .allow_host_count = split_names(list, names),
        .access_log = settings->access_log,
        .beyond_loopback = settings->no_auth || settings->api_key_file,
        .threads = settings->http_threads,
        .workers = settings->http_workers,
        .connections_max = settings->max_connections,
        .connections_per_address_max = settings->max_connections_per_address,
        .idle_seconds = settings->idle_timeout,
        .header_seconds = settings->header_timeout,
        .body_seconds = settings->body_timeout,
        .reply_seconds = settings->reply_timeout,
        .body_memory_max = settings->body_memory,
    };
    enum status status = http_server_create(&config, &service->app, &service->http, err);
    free(list);
    return status;
}

static void service_free(struct service *service)
{
    http_server_free(service->http);
    retention_free(service->app.retention);
    job_runner_free(service->runner);
    event_streams_free(service->app.streams);
    sweeps_free(service->app.sweeps);
    jobs_free(service->app.jobs);
    evaluations_free(service->app.evaluations);
    predict_service_free(service->app.predictions);
    registry_free(service->app.registry);
    datasets_free(service->app.datasets);
    store_free(service->app.store);
    access_free(service->app.access);
    metrics_free(service->app.metrics);
}

/* ---- Run --------------------------------------------------------------------------------------------------------- */

/* Posted when a signal came. Blocking the signals and waiting for them would not do: OpenBLAS starts threads before main,
 * and one of them may get a signal. */
static sem_t signal_came;
static atomic_bool end_asked, reload_asked;

static void note_signal(int signal)
{
    int saved = errno;
    atomic_store(signal == SIGHUP ? &reload_asked : &end_asked, true);
    sem_post(&signal_came);
    errno = saved;
}

/* From here on SIGTERM and SIGINT end the service in order; the second one ends the program at once. SIGHUP has the API
 * keys read again. */
static enum status catch_signals(struct error *err)
{
    const struct sigaction once = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND | SA_RESTART},
                           always = {.sa_handler = note_signal, .sa_flags = SA_RESTART},
                           ignore = {.sa_handler = SIG_IGN};
    if (sem_init(&signal_came, 0, 0) != 0 || sigaction(SIGTERM, &once, NULL) != 0 ||
        sigaction(SIGINT, &once, NULL) != 0 || sigaction(SIGHUP, &always, NULL) != 0 ||
        sigaction(SIGPIPE, &ignore, NULL) != 0)
        return error_set_errno(err, "cannot prepare for signals");
    return OK;
}

static void reload(struct service *service)
{
    struct error err;
    if (!service->app.access)
        log_info("told to read again: there is no --api-key-file");
    else if (access_reload(service->app.access, &err) == OK)
        log_info("the API keys were read again");
    else
        log_error("the API keys stay as they were: %s", err.message);
}

static void wait_for_end(const struct settings *settings, struct service *service)
{
    while (!atomic_load(&end_asked)) {
        sem_wait(&signal_came); /* or it is interrupted by a signal */
        if (atomic_exchange(&reload_asked, false))
            reload(service);
    }
    log_info("told to end: finishing the requests under way");
    event_streams_stop(service->app.streams);
    evaluations_stop(service->app.evaluations);
    size_t left = http_server_drain(service->http, settings->drain_timeout);
    if (left)
        log_warning("%zu requests were cut off", left);
}

int serve_main(int argc, char **argv)
{
    struct settings settings = default_settings();
    int exit_code = options_parse(&options, argc, argv, &settings, NULL);
    if (exit_code != OPTIONS_PARSED)
        return exit_code;
    if (settings.no_auth && settings.api_key_file)
        return options_wrong(&options, "--no-auth and --api-key-file contradict each other");
    log_set_level(settings.log_level);
    log_set_format(settings.log_format);
    raise_descriptor_limit(&settings);
    struct service service = {.app = {.store_dir = settings.store,
                                      .data_dir = settings.data_dir,
                                      .static_dir = settings.static_dir}};
    struct error err;
    enum status status = catch_signals(&err);
    if (status == OK)
        status = services_start(&settings, &service, &err);
    if (status == OK)
        status = http_start(&settings, &service, &err);
    if (status == OK) {
        printf("digitd is ready at %s\n", http_server_url(service.http));
        fflush(stdout);
        wait_for_end(&settings, &service);
    } else {
        log_error("%s", err.message);
    }
    service_free(&service);
    return status == OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
