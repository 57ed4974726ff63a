#include "server/cli.h"
#include "server/clock.h"
#include "server/datasets.h"
#include "server/engine_start.h"
#include "server/input.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_FILE_LIMIT ((size_t)1 << 20)

/* ---- Messages ------------------------------------------------------------------------------------ */

int cli_failed(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "digitd %s: ", command);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return EXIT_FAILURE;
}

int cli_failed_with(const char *command, const struct error *err)
{
    return cli_failed(command, "%s", err->message);
}

int cli_print_json_take(const char *command, json_t *json)
{
    if (!json || json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0) {
        json_decref(json);
        return cli_failed(command, "cannot write the result");
    }
    putchar('\n');
    json_decref(json);
    return EXIT_SUCCESS;
}

/* ---- Input --------------------------------------------------------------------------------------- */

static enum status read_all(int descriptor, const char *name, size_t limit, uint8_t **ret_bytes,
                            size_t *ret_size, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0, capacity = 0;
    for (;;) {
        if (size == capacity) {
            capacity = capacity ? 2 * capacity : 1 << 16;
            uint8_t *larger = realloc(bytes, capacity);
            if (!larger) {
                free(bytes);
                return error_set(err, ERR_MEMORY, "%s: no memory to read it", name);
            }
            bytes = larger;
        }
        ssize_t got = read(descriptor, bytes + size, capacity - size);
        if (got == 0)
            break;
        if (got < 0 && errno == EINTR && !cli_interrupted())
            continue;
        size += got > 0 ? (size_t)got : 0;
        if (got < 0 || size > limit) {
            free(bytes);
            return got < 0 ? error_set_errno(err, "%s", name)
                           : error_set(err, ERR_FORMAT, "%s: more than the %zu bytes allowed", name, limit);
        }
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return OK;
}

enum status cli_read_file(const char *path, size_t limit, uint8_t **ret_bytes, size_t *ret_size,
                          struct error *err)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "stdin", limit, ret_bytes, ret_size, err);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set_errno(err, "%s", path);
    enum status status = read_all(descriptor, path, limit, ret_bytes, ret_size, err);
    close(descriptor);
    return status;
}

static int report_problems(const char *command, const char *file, const struct problems *problems)
{
    size_t kept = problems->count < PROBLEMS_KEPT ? problems->count : PROBLEMS_KEPT;
    for (size_t i = 0; i < kept; i++) {
        const struct error *item = &problems->items[i];
        cli_failed(command, "%s: %s%s%s", file, item->pointer, *item->pointer ? ": " : "", item->message);
    }
    if (problems->count > kept)
        cli_failed(command, "%s: and %zu more", file, problems->count - kept);
    return EXIT_FAILURE;
}

static int read_plan_file(const char *command, const char *file, struct model_plan *ret_plan)
{
    struct error err;
    uint8_t *bytes = NULL;
    size_t size = 0;
    json_t *json = NULL;
    if (cli_read_file(file, MODEL_FILE_LIMIT, &bytes, &size, &err) != OK)
        return cli_failed_with(command, &err);
    enum status status = input_json_parse(bytes, size, &json, &err);
    free(bytes);
    if (status != OK)
        return cli_failed(command, "%s: %s", file, err.message);

    struct model_spec spec;
    struct problems problems = {0};
    status = model_spec_from_json(json, "", &spec, &problems);
    json_decref(json);
    if (status == OK)
        status = model_plan_create(&spec, "", ret_plan, &problems);
    return status == OK ? EXIT_SUCCESS : report_problems(command, file, &problems);
}

int cli_read_plan(const char *command, const char *preset, const char *model_file,
                  const struct model_spec *standard, struct model_plan *ret_plan)
{
    struct model_spec spec = *standard;
    struct error err;
    struct problems problems = {0};
    if (preset && model_file) {
        cli_failed(command, "give --preset or --model, not both");
        return EXIT_USAGE;
    }
    if (model_file)
        return read_plan_file(command, model_file, ret_plan);
    if (preset && model_spec_preset(preset, &spec, &err) != OK) {
        cli_failed(command, "--preset: %s", err.message);
        return EXIT_USAGE;
    }
    if (model_plan_create(&spec, "", ret_plan, &problems) != OK)
        return report_problems(command, "--preset", &problems);
    return EXIT_SUCCESS;
}

enum status cli_open_dataset(const char *data_dir, const char *name, enum split split,
                             struct dataset **ret_dataset, struct error *err)
{
    struct datasets *datasets = NULL;
    struct error reason;
    enum status status = datasets_create(data_dir, &datasets, &reason);
    if (status == OK)
        status = datasets_open(datasets, name, split, ret_dataset, &reason);
    datasets_free(datasets);
    return status == OK ? OK : error_set(err, status, "--data-dir %s: %s", data_dir, reason.message);
}

enum status cli_start_engine(int threads, struct thread_team **ret_team, struct error *err)
{
    enum status status = engine_start(err);
    return status == OK ? thread_team_create(threads > 0 ? threads : cpu_count(), false, ret_team, err)
                        : status;
}

/* ---- Work ---------------------------------------------------------------------------------------- */

static atomic_bool interrupted; /* lock-free, so a signal handler may set it */

static void note_interrupt(int signal)
{
    (void)signal;
    atomic_store(&interrupted, true);
}

void cli_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_interrupted(void)
{
    return atomic_load(&interrupted);
}

enum status cli_evaluate(struct model *model, struct dataset *data, struct thread_team *team,
                         struct progress *progress, struct evaluation *ret_evaluation,
                         struct calibration *ret_calibration, struct error *err)
{
    struct evaluator *evaluator = NULL;
    size_t count = dataset_count(data);
    enum status status = evaluator_create(model, data, 0, count, team, &evaluator, err);
    if (status != OK)
        return status;
    double started = clock_seconds();
    while (!cli_interrupted() && evaluator_advance(evaluator)) {
        double now = clock_seconds(), done = (double)evaluator_result(evaluator).count;
        double rate = done / (now - started);
        struct progress_state state = {"evaluation", done / (double)count, rate,
                                       ((double)count - done) / rate};
        progress_show(progress, &state, now);
    }
    progress_clear(progress);
    if (cli_interrupted())
        status = error_set(err, ERR_IO, "interrupted while evaluating");
    if (status == OK) {
        *ret_evaluation = evaluator_result(evaluator);
        *ret_calibration = evaluator_calibration(evaluator);
    }
    evaluator_free(evaluator);
    return status;
}
