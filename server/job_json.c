#include "server/job_json.h"

#include "server/clock.h"

#include <jansson.h>
#include <math.h>

/* JSON has neither NaN nor Infinity. */
static json_t *number_or_null(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

/* For figures whose further digits are noise. */
static json_t *tenths_or_null(double number)
{
    return number_or_null(round(number * 10) / 10);
}

static json_t *time_or_null(int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (wall_ms == 0)
        return json_null();
    clock_format(wall_ms, text);
    return json_string(text);
}

static json_t *positive_or_null(int64_t number)
{
    return number > 0 ? json_integer((json_int_t)number) : json_null();
}

static json_t *text_or_null(const char *json_text)
{
    return json_text ? json_loads(json_text, 0, NULL) : json_null();
}

/* ---- Jobs ------------------------------------------------------------------------------------------ */

static json_t *progress_to_json(const struct job_progress *progress, const json_t *config)
{
    json_t *epochs = json_object_get(json_object_get(config, "training"), "epochs");
    json_t *best_epoch = progress->best_epoch ? json_integer(progress->best_epoch) : json_null();
    return json_pack("{s:s, s:i, s:O, s:I, s:I, s:o, s:o, s:o, s:b}", "phase",
                     job_phase_name(progress->phase), "epoch", progress->epoch, "epochs", epochs, "step",
                     (json_int_t)progress->step, "steps", (json_int_t)progress->steps, "images_per_second",
                     tenths_or_null(progress->images_per_second), "eta_seconds",
                     tenths_or_null(progress->eta_seconds), "best_epoch", best_epoch, "stopped_early",
                     progress->stopped_early);
}

json_t *job_progress_to_json(const struct job_view *view)
{
    json_t *config = text_or_null(view->record.config);
    json_t *progress = progress_to_json(&view->progress, config);
    json_decref(config);
    return progress;
}

json_t *job_to_json(const struct job_view *view)
{
    const struct job_record *job = &view->record;
    json_t *config = text_or_null(job->config);
    json_t *progress = view->is_live ? progress_to_json(&view->progress, config) : json_null();
    return json_pack("{s:s, s:s, s:s?, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", job->id, "state",
                     job_state_name(job->state), "sweep", *job->sweep ? job->sweep : NULL, "priority",
                     job->priority, "position", positive_or_null(job->position), "created_at",
                     time_or_null(job->created_at), "started_at", time_or_null(job->started_at),
                     "finished_at", time_or_null(job->finished_at), "progress", progress, "config", config,
                     "result", text_or_null(job->result), "error", text_or_null(job->error));
}

static json_t *epoch_to_json(const struct epoch_metrics *epoch)
{
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "epoch", epoch->epoch, "train_loss",
                     number_or_null(epoch->train_loss), "train_accuracy",
                     number_or_null(epoch->train_accuracy), "validation_loss",
                     number_or_null(epoch->validation_loss), "validation_accuracy",
                     number_or_null(epoch->validation_accuracy), "seconds", number_or_null(epoch->seconds));
}

/* {"step": [...], "loss": [...]}: at most `max_points`, evenly spread, the last one among them. */
static json_t *steps_to_json(const struct step_losses *steps, size_t max_points)
{
    json_t *numbers = json_array(), *losses = json_array();
    size_t points = steps->count < max_points ? steps->count : max_points;
    for (size_t i = 1; i <= points; i++) {
        size_t sample = i * steps->count / points; /* counts from 1 */
        json_array_append_new(numbers, json_integer((json_int_t)sample * steps->stride));
        json_array_append_new(losses, number_or_null((double)steps->losses[sample - 1]));
    }
    return json_pack("{s:o, s:o}", "step", numbers, "loss", losses);
}

json_t *job_series_to_json(const struct job_series *series, size_t max_points)
{
    json_t *epochs = json_array();
    for (size_t i = 0; i < series->epoch_count; i++)
        json_array_append_new(epochs, epoch_to_json(&series->epochs[i]));
    return json_pack("{s:o, s:o, s:o}", "epochs", epochs, "steps", steps_to_json(&series->steps, max_points),
                     "steps_per_epoch", positive_or_null(series->steps_per_epoch));
}

/* ---- Models ---------------------------------------------------------------------------------------- */

static json_t *version_or_null(int version)
{
    return version ? json_integer(version) : json_null();
}

json_t *model_to_json(const struct model_record *model)
{
    json_t *aliases = json_object();
    for (size_t i = 0; i < model->aliases.count; i++)
        json_object_set_new(aliases, model->aliases.items[i].name,
                            json_integer(model->aliases.items[i].version));
    return json_pack("{s:s, s:o, s:i, s:o, s:o}", "name", model->name, "created_at",
                     time_or_null(model->created_at), "last_version", model->last_version, "production",
                     version_or_null(model->production), "aliases", aliases);
}

json_t *alias_move_to_json(const struct alias_move *move)
{
    return json_pack("{s:s, s:o, s:o}", "alias", move->alias, "version", version_or_null(move->version),
                     "previous", version_or_null(move->previous));
}

json_t *alias_history_to_json(const struct alias_move *move)
{
    json_t *job = *move->job ? json_string(move->job) : json_null();
    return json_pack("{s:I, s:o, s:o, s:o, s:s, s:o}", "id", (json_int_t)move->id, "time",
                     time_or_null(move->moved_at), "version", version_or_null(move->version), "previous",
                     version_or_null(move->previous), "reason", alias_reason_name(move->reason), "job", job);
}

static json_t *metrics_to_json(const struct version_record *version)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "test_loss", number_or_null(version->test_loss),
                     "test_accuracy", number_or_null(version->test_accuracy), "validation_loss",
                     number_or_null(version->validation_loss), "validation_accuracy",
                     number_or_null(version->validation_accuracy), "training_seconds",
                     number_or_null(version->training_seconds));
}

static json_t *string_or_null(const char *text)
{
    return *text ? json_string(text) : json_null();
}

json_t *version_to_json(const struct version_record *version)
{
    json_t *aliases = json_array();
    for (size_t i = 0; i < version->aliases.count; i++)
        json_array_append_new(aliases, json_string(version->aliases.items[i].name));
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:s, s:s, s:I, s:s, s:s, s:o}", "model",
                     version->model, "version", version->version, "created_at",
                     time_or_null(version->created_at), "job", string_or_null(version->job_id), "config",
                     text_or_null(version->config), "dataset_digest", string_or_null(version->train_digest),
                     "test_digest", string_or_null(version->test_digest), "parameters",
                     (json_int_t)version->parameters, "metrics", metrics_to_json(version), "weights_digest",
                     version->weights_digest, "file_digest", version->file_digest, "file_bytes",
                     (json_int_t)version->file_bytes, "core_type", version->core_type, "code_version",
                     version->code_version, "aliases", aliases);
}
