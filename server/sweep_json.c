#include "server/sweep_json.h"

#include "server/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *number_or_null(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *time_or_null(int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (wall_ms == 0)
        return json_null();
    clock_format(wall_ms, text);
    return json_string(text);
}

/* ---- A sweep --------------------------------------------------------------------------------------- */

static json_t *counts_to_json(const struct sweep_results *results)
{
    json_t *counts = json_pack("{s:I}", "total", (json_int_t)results->count);
    for (int state = 0; state < TRIAL_STATES; state++)
        json_object_set_new(counts, trial_state_name((enum trial_state)state),
                            json_integer((json_int_t)results->counts[state]));
    return counts;
}

static json_t *best_of(const struct sweep_view *view)
{
    return view->results.best ? json_integer(view->results.best->trial->trial) : json_null();
}

json_t *sweep_to_json(const struct sweep_view *view)
{
    const struct sweep_record *sweep = &view->record;
    bool waits = sweep->state == SWEEP_RUNNING && sweep->started_at == 0;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", sweep->id, "name",
                     sweep->name, "state", waits ? "queued" : sweep_state_name(sweep->state), "created_at",
                     time_or_null(sweep->created_at), "started_at", time_or_null(sweep->started_at),
                     "finished_at", time_or_null(sweep->finished_at), "request",
                     json_loads(sweep->request, 0, NULL), "estimate", json_loads(sweep->estimate, 0, NULL),
                     "counts", counts_to_json(&view->results), "eta_seconds",
                     number_or_null(round(view->eta_seconds * 10) / 10), "best", best_of(view));
}

/* ---- Results --------------------------------------------------------------------------------------- */

/* The figures of a trial, in the order of the columns. */
static json_t *row_to_json(const struct sweep_row *row)
{
    const struct trial_record *trial = row->trial;
    const struct version_record *version = &row->version;
    bool has = row->has_figures;
    return json_pack(
        "{s:i, s:i, s:s, s:o, s:I, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:i, s:o, s:o, s:o}", "trial",
        trial->trial, "combination", trial->combination, "state", trial_state_name(row->state), "values",
        json_loads(trial->settings, 0, NULL), "seed", (json_int_t)trial->seed, "rung", trial->rung,
        "validation_accuracy", number_or_null(has ? version->validation_accuracy : NAN),
        "validation_accuracy_mean", number_or_null(row->mean), "validation_accuracy_spread",
        number_or_null(row->spread), "test_accuracy", number_or_null(has ? version->test_accuracy : NAN),
        "training_seconds", number_or_null(has ? version->training_seconds : NAN), "parameters",
        has ? json_integer((json_int_t)version->parameters) : json_null(), "epochs",
        has ? json_integer(version->epochs) : json_null(), "never_learned", row->never_learned,
        "epochs_at_chance", trial->epochs_at_chance, "weights_digest",
        has ? json_string(version->weights_digest) : json_null(), "job",
        *trial->job ? json_string(trial->job) : json_null(), "error",
        trial->error ? json_loads(trial->error, 0, NULL) : json_null());
}

static json_t *pointers_of(const struct sweep_view *view)
{
    json_t *pointers = json_array(), *values;
    json_t *request = json_loads(view->record.request, 0, NULL);
    const char *pointer;
    json_object_foreach(json_object_get(request, "parameters"), pointer, values)
        json_array_append_new(pointers, json_string(pointer));
    json_decref(request);
    return pointers;
}

json_t *sweep_results_to_json(const struct sweep_view *view)
{
    char verdict[SWEEP_VERDICT_SIZE];
    json_t *data = json_array();
    for (size_t i = 0; i < view->count; i++)
        json_array_append_new(data, row_to_json(&view->results.rows[i]));
    sweep_results_verdict(&view->results, verdict);
    return json_pack("{s:o, s:o, s:o, s:s}", "parameters", pointers_of(view), "data", data, "best",
                     best_of(view), "verdict", verdict);
}

/* ---- CSV ------------------------------------------------------------------------------------------- */

/* What a cell of JSON is in CSV, quoted where it must be. */
static void write_cell(FILE *out, const json_t *value)
{
    char *dumped = json_is_null(value) || json_is_string(value)
                       ? NULL
                       : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    const char *text = json_is_string(value) ? json_string_value(value) : dumped ? dumped : "";
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
    } else {
        fputc('"', out);
        for (; *text; text++)
            fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
        fputc('"', out);
    }
    free(dumped);
}

/* One line: the names of a row's fields or their values; those of "values" stand in its place. */
static void write_line(FILE *out, const json_t *row, const json_t *pointers, bool names)
{
    const char *field, *comma = "";
    json_t *value, *pointer;
    size_t i;
    json_object_foreach((json_t *)row, field, value)
    {
        if (strcmp(field, "values") != 0) {
            json_t *name = names ? json_string(field) : NULL;
            fputs(comma, out);
            write_cell(out, name ? name : value);
            json_decref(name);
            comma = ",";
            continue;
        }
        json_array_foreach(pointers, i, pointer)
        {
            fputs(comma, out);
            write_cell(out, names ? pointer : json_object_get(value, json_string_value(pointer)));
            comma = ",";
        }
    }
    fputs("\r\n", out);
}

char *sweep_results_to_csv(const struct sweep_view *view, size_t *ret_size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_size);
    json_t *pointers = pointers_of(view);
    if (!out || !pointers) {
        json_decref(pointers);
        return NULL;
    }
    for (size_t i = 0; i < view->count; i++) {
        json_t *row = row_to_json(&view->results.rows[i]);
        if (i == 0)
            write_line(out, row, pointers, true);
        write_line(out, row, pointers, false);
        json_decref(row);
    }
    json_decref(pointers);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
