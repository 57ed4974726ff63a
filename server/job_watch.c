#include "server/job_watch.h"

#include "server/cli.h"
#include "server/client_json.h"
#include "server/clock.h"
#include "server/progress.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    struct client *client;
    struct progress progress;
    json_int_t epochs; /* of the job */
    char state[16];    /* the last that was told */
};

/* ---- Events -------------------------------------------------------------------------------------- */

static int exit_code_of(const char *state)
{
    static const struct {
        const char *state;
        int exit_code;
    } ends[] = {{"succeeded", EXIT_SUCCESS},
                {"failed", EXIT_FAILURE},
                {"cancelled", EXIT_CANCELLED},
                {"deleted", EXIT_CANCELLED}};
    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++)
        if (strcmp(ends[i].state, state) == 0)
            return ends[i].exit_code;
    return -1;
}

static void tell_state(struct watch *watch, const json_t *data)
{
    snprintf(watch->state, sizeof watch->state, "%s", client_text_at(data, "/to"));
    if (exit_code_of(watch->state) < 0)
        progress_print(&watch->progress, "%s", watch->state);
}

static void tell_epoch(struct watch *watch, const json_t *data)
{
    char validation[80] = "", accuracy[FORMAT_SIZE];
    if (!isnan(client_number_at(data, "/validation_accuracy")))
        snprintf(validation, sizeof validation, "  validation loss %.4f accuracy %s",
                 client_number_at(data, "/validation_loss"),
                 client_percent_at(data, "/validation_accuracy", accuracy));
    char train[FORMAT_SIZE];
    progress_print(&watch->progress, "epoch %.0f/%lld  loss %.4f accuracy %s%s  %.1f s",
                   client_number_at(data, "/epoch"), (long long)watch->epochs,
                   client_number_at(data, "/train_loss"), client_percent_at(data, "/train_accuracy", train),
                   validation, client_number_at(data, "/seconds"));
}

double job_fraction(const json_t *progress)
{
    double epoch = client_number_at(progress, "/epoch"), epochs = client_number_at(progress, "/epochs");
    double step = client_number_at(progress, "/step"), steps = client_number_at(progress, "/steps");
    double within = steps > 0 ? step / steps : 0, fraction = (epoch - 1 + within) / epochs;
    return isfinite(fraction) ? fmin(fmax(fraction, 0), 1) : 0;
}

static void tell_progress(struct watch *watch, const json_t *data)
{
    char label[64];
    const char *phase = client_text_at(data, "/phase");
    if (client_settings(watch->client)->no_progress)
        return;
    if (strcmp(phase, "training") == 0)
        snprintf(label, sizeof label, "epoch %.0f/%.0f", client_number_at(data, "/epoch"),
                 client_number_at(data, "/epochs"));
    else
        snprintf(label, sizeof label, "%.20s", phase);
    struct progress_state state = {label, job_fraction(data), client_number_at(data, "/images_per_second"),
                                   client_number_at(data, "/eta_seconds")};
    progress_show(&watch->progress, &state, clock_seconds());
}

static const struct {
    const char *type;
    void (*tell)(struct watch *watch, const json_t *data);
} tellers[] = {{"state", tell_state}, {"metrics", tell_epoch}, {"progress", tell_progress}};

static bool tell(void *context, const char *type, const json_t *event)
{
    struct watch *watch = context;
    const json_t *data = json_object_get(event, "data");
    if (client_settings(watch->client)->json) {
        json_dumpf(event, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
        putchar('\n');
        if (fflush(stdout) != 0)
            return false;
        if (strcmp(type, "state") == 0)
            snprintf(watch->state, sizeof watch->state, "%s", client_text_at(data, "/to"));
    } else {
        for (size_t i = 0; i < ARRAY_LENGTH(tellers); i++)
            if (strcmp(tellers[i].type, type) == 0)
                tellers[i].tell(watch, data);
    }
    return exit_code_of(watch->state) < 0;
}

static void tell_loss(void *context)
{
    struct watch *watch = context;
    progress_print(&watch->progress, "the server is gone; waiting for it to come back");
}

/* ---- The end ------------------------------------------------------------------------------------- */

void job_print_end(const json_t *job)
{
    char accuracy[FORMAT_SIZE], duration[FORMAT_SIZE];
    const char *id = client_text_at(job, "/id"), *state = client_text_at(job, "/state");
    const json_t *version = client_at(job, "/result/model/version");
    printf("%s  %s", id, state);
    if (version)
        printf(": %s version %lld%s", client_text_at(job, "/result/model/name"),
               (long long)json_integer_value(version),
               json_is_true(client_at(job, "/result/promoted")) ? ", in production" : "");
    if (!isnan(client_number_at(job, "/result/test_accuracy")))
        printf("%s test accuracy %s, %s of training", version ? "," : ":",
               client_percent_at(job, "/result/test_accuracy", accuracy),
               client_duration_at(job, "/result/training_seconds", duration));
    if (client_at(job, "/error/detail"))
        printf(": %s", client_text_at(job, "/error/detail"));
    putchar('\n');
}

/* A log that was thinned out since need not tell the end: the job itself does. */
static int end(struct watch *watch, const char *id)
{
    json_t *job = NULL;
    progress_clear(&watch->progress);
    if (strcmp(watch->state, "deleted") == 0) {
        printf("%s  deleted\n", id);
        return EXIT_CANCELLED;
    }
    int exit_code = client_get(watch->client, &job, "/api/v1/jobs/%s", id);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    if (!client_settings(watch->client)->json)
        job_print_end(job);
    exit_code = exit_code_of(client_text_at(job, "/state"));
    json_decref(job);
    return exit_code < 0 ? cli_failed(client_command(watch->client), "the job has not ended yet") : exit_code;
}

int job_watch(struct client *client, const char *id)
{
    static const struct client_listener listener = {.tell = tell, .lost = tell_loss};
    struct watch watch = {.client = client, .progress = progress_begin(stderr, clock_seconds())};
    char path[128];
    json_t *job = NULL;
    int exit_code = client_get(client, &job, "/api/v1/jobs/%s", id);
    if (exit_code != EXIT_SUCCESS)
        return exit_code;
    watch.epochs = json_integer_value(client_at(job, "/config/training/epochs"));
    json_decref(job);
    snprintf(path, sizeof path, "/api/v1/jobs/%s/events", id);
    exit_code = client_follow(client, path, &listener, &watch);
    progress_clear(&watch.progress);
    if (exit_code == EXIT_INTERRUPTED)
        fprintf(stderr,
                "Stopped watching; the job goes on. 'digitd jobs watch %s' shows it again, 'digitd jobs "
                "cancel %s' ends it.\n",
                id, id);
    return exit_code == EXIT_SUCCESS ? end(&watch, id) : exit_code;
}
