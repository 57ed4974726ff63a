#include "engine/alloc.h"
#include "engine/augment.h"
#include "engine/checkpoint.h"
#include "engine/clock.h"
#include "engine/model.h"
#include "engine/rng.h"
#include "engine/safetensors.h"
#include "engine/train_config.h"
#include "engine/train_step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct trainer {
    struct network network;
    struct train_config config;
    struct dataset *data;
    struct thread_team *team;

    struct train_state state;
    struct train_step *step;
    struct train_place place;
    struct epoch_metrics last_epoch;

    size_t train_count, validation_count; /* the training images come first */
    int64_t steps;                        /* of an epoch */
    uint32_t *order;                      /* [train_count], of the epoch in `ordered` */
    int ordered;                          /* 1-based; 0: none yet */
    double step_loss;

    struct evaluator *validation; /* under way, or NULL */
};

/* ---- Making ---- */

static enum status allocate_slabs(struct trainer *trainer, struct error *err)
{
    size_t parameters = trainer->network.parameters;
    bool averaged = trainer->config.ema_decay > 0, patient = trainer->config.patience > 0;
    trainer->state = (struct train_state){.weights = aligned_new(parameters, sizeof(float)),
                                          .moment_1 = aligned_new(parameters, sizeof(float)),
                                          .moment_2 = aligned_new(parameters, sizeof(float)),
                                          .average = averaged ? aligned_new(parameters, sizeof(float)) : NULL,
                                          .best = patient ? aligned_new(parameters, sizeof(float)) : NULL,
                                          .prepared = aligned_new(trainer->network.prepared, sizeof(float))};
    trainer->order = aligned_new(trainer->train_count, sizeof *trainer->order);
    if (!trainer->state.weights || !trainer->state.moment_1 || !trainer->state.moment_2 ||
        !trainer->state.prepared || !trainer->order || (averaged && !trainer->state.average) ||
        (patient && !trainer->state.best))
        return error_set(err, ERR_MEMORY, "no memory to train a model of %zu parameters",
                         trainer->network.plan.parameters);
    return OK;
}

/* A trainer whose weights are zero. */
static enum status trainer_allocate(const struct model_plan *plan, const struct train_config *config,
                                    struct dataset *data, struct thread_team *team,
                                    struct trainer **ret_trainer, struct error *err)
{
    struct problems problems = {0};
    enum status status = train_config_check(config, "", &problems);
    if (status != OK)
        return problems_first(&problems, err);
    struct trainer *trainer = aligned_new(1, sizeof *trainer);
    if (!trainer)
        return error_set(err, ERR_MEMORY, "no memory for a trainer");
    network_create(plan, true, &trainer->network);
    trainer->config = *config;
    trainer->data = dataset_ref(data);
    trainer->team = team;
    trainer->step_loss = NAN;
    trainer->place.temperature = trainer->place.best_temperature = 1;
    trainer->last_epoch = (struct epoch_metrics){
        .train_loss = NAN, .train_accuracy = NAN, .validation_loss = NAN, .validation_accuracy = NAN};
    struct train_split split = dataset_split(data, config);
    trainer->train_count = split.train;
    trainer->validation_count = split.validation;
    trainer->steps = ((int64_t)trainer->train_count + config->batch_size - 1) / config->batch_size;
    if (trainer->train_count == 0)
        status = error_set(err, ERR_ARGUMENT,
                           "no image is left to train on: the dataset has %zu, validation takes %zu",
                           dataset_count(data), trainer->validation_count);
    if (status == OK)
        status = allocate_slabs(trainer, err);
    if (status == OK)
        status = train_step_create(&trainer->network, (size_t)config->batch_size, team, &trainer->step, err);
    if (status != OK) {
        trainer_free(trainer);
        return status;
    }
    *ret_trainer = trainer;
    return OK;
}

/* Makes the weights in the slab those that the run begins with. */
static void begin(struct trainer *trainer)
{
    if (trainer->state.average)
        memcpy(trainer->state.average, trainer->state.weights, trainer->network.parameters * sizeof(float));
    train_step_prepare(trainer->step, &trainer->state);
}

enum status trainer_create(const struct model_plan *plan, const struct train_config *config,
                           struct dataset *data, struct thread_team *team, struct trainer **ret_trainer,
                           struct error *err)
{
    struct trainer *trainer;
    enum status status = trainer_allocate(plan, config, data, team, &trainer, err);
    if (status != OK)
        return status;
    network_initialise(&trainer->network, config->seed, trainer->state.weights);
    begin(trainer);
    *ret_trainer = trainer;
    return OK;
}

enum status trainer_create_from(const struct model *model, const struct train_config *config,
                                struct dataset *data, struct thread_team *team, struct trainer **ret_trainer,
                                struct error *err)
{
    struct trainer *trainer;
    enum status status = trainer_allocate(model_plan_of(model), config, data, team, &trainer, err);
    if (status != OK)
        return status;
    memcpy(trainer->state.weights, model->parameters, trainer->network.parameters * sizeof(float));
    begin(trainer);
    *ret_trainer = trainer;
    return OK;
}

void trainer_free(struct trainer *trainer)
{
    if (!trainer)
        return;
    evaluator_free(trainer->validation);
    train_step_free(trainer->step);
    free(trainer->state.weights);
    free(trainer->state.moment_1);
    free(trainer->state.moment_2);
    free(trainer->state.average);
    free(trainer->state.best);
    free(trainer->state.prepared);
    free(trainer->order);
    dataset_unref(trainer->data);
    free(trainer);
}

size_t trainer_memory(const struct model_plan *plan, const struct train_config *config, int threads)
{
    struct network network;
    network_create(plan, true, &network);
    size_t slabs, step = train_step_memory(&network, (size_t)config->batch_size, threads), all;
    size_t copies = 3 + (size_t)(config->ema_decay > 0) + (size_t)(config->patience > 0);
    if (__builtin_mul_overflow(network.parameters * copies + network.prepared, sizeof(float), &slabs) ||
        __builtin_add_overflow(slabs, step, &all))
        return SIZE_MAX;
    return all;
}

/* ---- What a run would keep ---- */

static const float *present_weights(const struct trainer *trainer)
{
    return trainer->state.average ? trainer->state.average : trainer->state.weights;
}

static bool is_done(const struct trainer *trainer)
{
    const struct train_place *place = &trainer->place;
    bool patience_ended = trainer->config.patience > 0 && place->best_epoch > 0 &&
                          place->epoch - place->best_epoch >= trainer->config.patience;
    return place->epoch >= trainer->config.epochs || patience_ended;
}

static enum status model_of_weights(const struct trainer *trainer, const float *weights, double temperature,
                                    struct model **ret_model, struct error *err)
{
    struct model *model;
    enum status status = model_allocate(&trainer->network.plan, &model, err);
    if (status != OK)
        return status;
    model->temperature = temperature;
    memcpy(model->parameters, weights, trainer->network.parameters * sizeof(float));
    model_seal(model);
    *ret_model = model;
    return OK;
}

/* ---- Running ---- */

/* The learning rate of update number `update`, 1-based. */
static double learning_rate(const struct train_config *config, int64_t update, int64_t updates)
{
    double warmup = config->warmup * (double)updates, at = (double)update;
    if (at < warmup)
        return config->learning_rate * at / warmup;
    if (config->schedule == SCHEDULE_CONSTANT)
        return config->learning_rate;
    return config->learning_rate * 0.5 * (1 + cos(M_PI * (at - warmup) / ((double)updates - warmup)));
}

static struct train_update next_update(struct trainer *trainer)
{
    const struct train_config *config = &trainer->config;
    int64_t update = ++trainer->place.updates, updates = config->epochs * trainer->steps;
    double correction_1 = 1 - pow(config->beta_1, (double)update);
    double correction_2 = sqrt(1 - pow(config->beta_2, (double)update));
    double rate = learning_rate(config, update, updates);
    double decay =
        fmin(config->ema_decay, (1 + (double)update) / (10 + (double)update)); /* short while all is new */
    return (struct train_update){.adam = {.rate = (float)(rate * correction_2 / correction_1),
                                          .beta_1 = (float)config->beta_1,
                                          .beta_2 = (float)config->beta_2,
                                          .epsilon = (float)(config->epsilon * correction_2)},
                                 .average_share = (float)(1 - decay)};
}

static void order_images(struct trainer *trainer)
{
    int epoch = trainer->place.epoch + 1;
    if (trainer->ordered == epoch)
        return;
    struct rng rng = rng_at(trainer->config.seed, RNG_SHUFFLE, 0, (unsigned)epoch);
    rng_permutation(&rng, trainer->order, trainer->train_count);
    trainer->ordered = epoch;
}

static enum status advance_step(struct trainer *trainer, struct error *err)
{
    struct train_place *place = &trainer->place;
    order_images(trainer);
    size_t batch_size = (size_t)trainer->config.batch_size, first = (size_t)place->step * batch_size;
    size_t rest = trainer->train_count - first;
    struct train_batch batch = {.data = trainer->data,
                                .order = trainer->order + first,
                                .count = rest < batch_size ? rest : batch_size,
                                .seed = trainer->config.seed,
                                .epoch = (unsigned)place->epoch + 1,
                                .first = first,
                                .label_smoothing = trainer->config.label_smoothing};
    if (augmentation_is_on(&trainer->config.augmentation))
        batch.augmentation = &trainer->config.augmentation;
    struct loss_sum loss;
    if (!train_step_gradient(trainer->step, &trainer->state, &batch, &loss))
        return error_set(
            err, ERR_DIVERGED,
            "loss or gradients are no longer finite in step %lld of epoch %d; a lower learning rate may help",
            (long long)place->step + 1, place->epoch + 1);
    struct train_update update = next_update(trainer);
    train_step_apply(trainer->step, &trainer->state, &update);
    place->step++;
    place->loss_sum += loss.loss;
    place->correct += (int64_t)loss.correct;
    trainer->step_loss = loss.loss / (double)batch.count;
    return OK;
}

static void finish_epoch(struct trainer *trainer, const struct evaluation *validation)
{
    struct train_place *place = &trainer->place;
    double images = (double)trainer->train_count;
    double temperature = validation ? evaluator_fit_temperature(trainer->validation) : 1;
    trainer->last_epoch =
        (struct epoch_metrics){.epoch = place->epoch + 1,
                               .train_loss = place->loss_sum / images,
                               .train_accuracy = (double)place->correct / images,
                               .validation_loss = validation ? validation->loss : NAN,
                               .validation_accuracy = validation ? validation->accuracy : NAN,
                               .seconds = place->seconds};
    if (trainer->state.best && validation &&
        (place->best_epoch == 0 || validation->loss < place->best_loss)) {
        place->best_epoch = place->epoch + 1;
        place->best_loss = validation->loss;
        place->best_temperature = temperature;
        memcpy(trainer->state.best, present_weights(trainer), trainer->network.parameters * sizeof(float));
    }
    *place = (struct train_place){.epoch = place->epoch + 1,
                                  .updates = place->updates,
                                  .best_epoch = place->best_epoch,
                                  .best_loss = place->best_loss,
                                  .temperature = temperature,
                                  .best_temperature = place->best_temperature};
}

static enum status begin_validation(struct trainer *trainer, struct error *err)
{
    struct model *model;
    enum status status = model_of_weights(trainer, present_weights(trainer), 1, &model, err);
    if (status != OK)
        return status;
    status = evaluator_create(model, trainer->data, trainer->train_count, trainer->validation_count,
                              trainer->team, &trainer->validation, err);
    model_unref(model);
    return status;
}

static enum status advance_validation(struct trainer *trainer, bool *ret_done, struct error *err)
{
    if (!trainer->validation) {
        enum status status = begin_validation(trainer, err);
        if (status != OK)
            return status;
    }
    *ret_done = !evaluator_advance(trainer->validation);
    return OK;
}

enum status trainer_advance(struct trainer *trainer, enum trainer_event *ret_event, struct error *err)
{
    struct train_place *place = &trainer->place;
    if (is_done(trainer)) {
        *ret_event = TRAINER_DONE;
        return OK;
    }
    int64_t begin = clock_nanoseconds();
    bool training = place->step < trainer->steps, epoch_done = trainer->validation_count == 0;
    enum status status = OK;
    if (training)
        status = advance_step(trainer, err);
    else if (trainer->validation_count > 0)
        status = advance_validation(trainer, &epoch_done, err);
    place->seconds += (double)(clock_nanoseconds() - begin) * 1e-9;
    if (status != OK)
        return status;
    *ret_event = training ? TRAINER_STEP : TRAINER_VALIDATION;
    if (place->step < trainer->steps || !epoch_done)
        return OK;
    struct evaluation validation;
    if (trainer->validation)
        validation = evaluator_result(trainer->validation);
    finish_epoch(trainer, trainer->validation ? &validation : NULL);
    evaluator_free(trainer->validation);
    trainer->validation = NULL;
    *ret_event = TRAINER_EPOCH;
    return OK;
}

/* ---- Looking ---- */

struct train_progress trainer_progress(const struct trainer *trainer)
{
    const struct train_place *place = &trainer->place;
    bool done = is_done(trainer);
    int64_t step = done ? trainer->steps : place->step, in_epoch = step * trainer->config.batch_size;
    int64_t train_count = (int64_t)trainer->train_count;
    return (struct train_progress){
        .epoch = done ? place->epoch : place->epoch + 1,
        .epochs = trainer->config.epochs,
        .step = step,
        .steps = trainer->steps,
        .images = (done ? place->epoch - 1 : place->epoch) * train_count +
                  (in_epoch < train_count ? in_epoch : train_count),
        .images_total = trainer->config.epochs * train_count,
        .stopped_early = done && place->epoch < trainer->config.epochs,
        .best_epoch = (int)place->best_epoch,
        .validating = !done && step == trainer->steps,
        .step_loss = trainer->step_loss,
    };
}

struct epoch_metrics trainer_last_epoch(const struct trainer *trainer)
{
    return trainer->last_epoch;
}

const struct train_config *trainer_config(const struct trainer *trainer)
{
    return &trainer->config;
}

enum status trainer_snapshot(const struct trainer *trainer, struct model **ret_model, struct error *err)
{
    bool best = trainer->place.best_epoch > 0 && is_done(trainer);
    const struct train_place *place = &trainer->place;
    if (best)
        return model_of_weights(trainer, trainer->state.best, place->best_temperature, ret_model, err);
    return model_of_weights(trainer, present_weights(trainer), place->temperature, ret_model, err);
}

/* ---- Checkpoints ---- */

enum status trainer_save(const struct trainer *trainer, const char *path, struct error *err)
{
    struct checkpoint checkpoint = {
        .plan = trainer->network.plan, .config = trainer->config, .place = trainer->place};
    memcpy(checkpoint.dataset, dataset_digest(trainer->data), sizeof checkpoint.dataset);
    return checkpoint_save(&trainer->network, &trainer->state, &checkpoint, path, err);
}

static bool temperature_is_possible(double temperature)
{
    return temperature >= TEMPERATURE_MIN && temperature <= TEMPERATURE_MAX;
}

static enum status check_place(const struct trainer *trainer, const char *path, struct error *err)
{
    const struct train_place *place = &trainer->place;
    if (place->epoch > trainer->config.epochs || place->step > trainer->steps || !isfinite(place->loss_sum) ||
        !temperature_is_possible(place->temperature) || !temperature_is_possible(place->best_temperature) ||
        place->updates != place->epoch * trainer->steps + place->step)
        return error_set(err, ERR_FORMAT, "%s: its place in the run is impossible: epoch %d, step %lld", path,
                         place->epoch, (long long)place->step);
    return OK;
}

enum status trainer_load(const char *path, struct dataset *data, struct thread_team *team,
                         struct trainer **ret_trainer, struct error *err)
{
    struct safetensors_file *file;
    struct checkpoint checkpoint;
    struct trainer *trainer = NULL;
    enum status status = checkpoint_open(path, &file, &checkpoint, err);
    if (status != OK)
        return status;
    if (strcmp(checkpoint.dataset, dataset_digest(data)) != 0)
        status = error_set(err, ERR_CHANGED, "%s was made from another dataset (%.12s…, not %.12s…)", path,
                           checkpoint.dataset, dataset_digest(data));
    if (status == OK)
        status = trainer_allocate(&checkpoint.plan, &checkpoint.config, data, team, &trainer, err);
    if (status == OK) {
        trainer->place = checkpoint.place;
        status = check_place(trainer, path, err);
    }
    if (status == OK)
        status = checkpoint_read_state(file, &trainer->network, &trainer->state, err);
    safetensors_close(file);
    if (status != OK) {
        trainer_free(trainer);
        return status;
    }
    train_step_prepare(trainer->step, &trainer->state);
    *ret_trainer = trainer;
    return OK;
}

enum status trainer_measure(struct trainer *trainer, struct error *err)
{
    return train_step_measure(trainer->step, err);
}

size_t trainer_shares(const struct trainer *trainer, struct train_share ret_shares[TRAIN_SHARES_MAX])
{
    return train_step_shares(trainer->step, ret_shares);
}
