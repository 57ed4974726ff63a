#include "engine/train_step.h"

#include "engine/alloc.h"
#include "engine/augment.h"
#include "engine/clock.h"
#include "engine/threads.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Images that go through the trunk together, so that what one stage writes is in cache when the next reads it. */
#define MICRO_BATCH 8
/* The trunk's gradients are kept once a shard: at most so many. */
#define MAX_SHARDS 16
/* Floats of a slab that one task sums or updates. */
#define SLAB_BLOCK    16384
#define PREPARE_PARTS 8

/* What a step spends its time on: each stage forward and backward, then what belongs to none. */
enum {
    WORK_FORWARD,
    WORK_BACKWARD = MODEL_MAX_LAYERS,
    WORK_IMAGES = 2 * MODEL_MAX_LAYERS,
    WORK_SUM,
    WORK_UPDATE,
    WORK_KERNELS,
    WORK_KINDS
};

/* Nanoseconds that one member of the team has worked. */
struct work_times {
    _Alignas(64) int64_t nanoseconds[WORK_KINDS];
};

struct train_step {
    const struct network *network;
    const struct kernels *kernels;
    struct thread_team *team;
    size_t batch_size, shard_size;

    float *inputs;                     /* [batch][input_size] */
    uint8_t *labels;                   /* [batch] */
    float *outputs[MODEL_MAX_LAYERS];  /* [batch][out_size] of each stage */
    int32_t *places[MODEL_MAX_LAYERS]; /* the same shape, where there is a pool */
    float *upstream[MODEL_MAX_LAYERS]; /* gradients of the outputs: last stage of the trunk, and the head */
    float *gradients;                  /* [parameters] */
    float *partial;                    /* [shards][trunk_parameters] */
    float *workspaces;                 /* [threads][workspace] */
    size_t workspace, scratch;         /* floats: one thread's; each of two image buffers at its end */
    struct work_times *times;          /* [threads], or NULL: nobody asked */
};

/* The step under way, as tasks see it. */
struct step_run {
    struct train_step *step;
    const struct train_state *state;
    struct train_state *updated; /* the same, where a task may write */
    const struct train_batch *batch;
    const struct train_update *update;
    const struct stage *stage; /* of the head */
    size_t index;              /* its number */
    size_t input_tasks;        /* of dense_backward_task: the first so many are the inputs' */
    atomic_bool infinite;
};

/* ---- Buffers ---- */

static size_t shard_size(size_t batch_size)
{
    size_t size = (batch_size + MAX_SHARDS - 1) / MAX_SHARDS;
    return (size + MICRO_BATCH - 1) / MICRO_BATCH * MICRO_BATCH;
}

static size_t shard_count(size_t images, size_t size)
{
    return (images + size - 1) / size;
}

/* The largest image between two stages of the trunk. */
static size_t largest_image(const struct network *network)
{
    size_t size = network->input_size;
    for (size_t i = 0; i < network->trunk; i++)
        if (network->stages[i].out_size > size)
            size = network->stages[i].out_size;
    return size;
}

/* Every buffer's size in one place: where the buffer goes, or NULL when only counting. */
struct allocation {
    size_t bytes;
    bool failed, counting;
};

static void *buffer(struct allocation *allocation, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(allocation->bytes, bytes, &allocation->bytes))
        allocation->failed = true;
    if (allocation->counting || allocation->failed)
        return NULL;
    void *memory = aligned_new(count, size);
    if (!memory)
        allocation->failed = true;
    return memory;
}

static void allocate(struct train_step *step, int threads, struct allocation *allocation)
{
    const struct network *network = step->network;
    size_t batch = step->batch_size;
    step->inputs = buffer(allocation, batch, network->input_size * sizeof(float));
    step->labels = buffer(allocation, batch, 1);
    for (size_t i = 0; i < network->count; i++) {
        size_t size = network->stages[i].out_size;
        step->outputs[i] = buffer(allocation, batch, size * sizeof(float));
        if (i < network->trunk && network->stages[i].pool_size > 0)
            step->places[i] = buffer(allocation, batch, size * sizeof(int32_t));
        if (i + 1 >= network->trunk)
            step->upstream[i] = buffer(allocation, batch, size * sizeof(float));
    }
    step->gradients = buffer(allocation, network->parameters, sizeof(float));
    step->partial =
        buffer(allocation, shard_count(batch, step->shard_size), network->trunk_parameters * sizeof(float));
    step->scratch = MICRO_BATCH * largest_image(network);
    step->workspace = round_up_16(stage_workspace(network, MICRO_BATCH)) + 2 * step->scratch;
    step->workspaces = buffer(allocation, (size_t)threads, step->workspace * sizeof(float));
}

size_t train_step_memory(const struct network *network, size_t batch_size, int threads)
{
    struct train_step step = {
        .network = network, .batch_size = batch_size, .shard_size = shard_size(batch_size)};
    struct allocation allocation = {.counting = true};
    allocate(&step, threads, &allocation);
    return allocation.failed ? SIZE_MAX : allocation.bytes;
}

enum status train_step_create(const struct network *network, size_t batch_size, struct thread_team *team,
                              struct train_step **ret_step, struct error *err)
{
    struct train_step *step = calloc(1, sizeof *step);
    if (!step)
        return error_set(err, ERR_MEMORY, "no memory for a training step");
    *step = (struct train_step){.network = network,
                                .kernels = kernels_best(),
                                .team = team,
                                .batch_size = batch_size,
                                .shard_size = shard_size(batch_size)};
    struct allocation allocation = {0};
    allocate(step, thread_team_size(team), &allocation);
    if (allocation.failed) {
        train_step_free(step);
        return error_set(err, ERR_MEMORY,
                         "no memory for the %zu bytes of a training step with batches of %zu",
                         allocation.bytes, batch_size);
    }
    *ret_step = step;
    return OK;
}

void train_step_free(struct train_step *step)
{
    if (!step)
        return;
    free(step->inputs);
    free(step->labels);
    for (size_t i = 0; i < MODEL_MAX_LAYERS; i++) {
        free(step->outputs[i]);
        free(step->places[i]);
        free(step->upstream[i]);
    }
    free(step->gradients);
    free(step->partial);
    free(step->workspaces);
    free(step->times);
    free(step);
}

const float *train_step_gradients(const struct train_step *step)
{
    return step->gradients;
}

/* ---- Where the time goes ---- */

enum status train_step_measure(struct train_step *step, struct error *err)
{
    step->times = aligned_new((size_t)thread_team_size(step->team), sizeof *step->times);
    return step->times ? OK : error_set(err, ERR_MEMORY, "no memory to measure a training step");
}

static int64_t work_begins(const struct train_step *step)
{
    return step->times ? clock_nanoseconds() : 0;
}

static void work_ends(struct train_step *step, int member, int kind, int64_t begin)
{
    if (step->times)
        step->times[member].nanoseconds[kind] += clock_nanoseconds() - begin;
}

static double work_seconds(const struct train_step *step, int kind)
{
    int64_t sum = 0;
    for (int i = 0; step->times && i < thread_team_size(step->team); i++)
        sum += step->times[i].nanoseconds[kind];
    return (double)sum * 1e-9;
}

size_t train_step_shares(const struct train_step *step, struct train_share ret_shares[TRAIN_SHARES_MAX])
{
    static const char *const others[] = {"images", "sum of gradients", "optimizer", "kernel transforms"};
    const struct network *network = step->network;
    size_t count = 0;
    for (size_t i = 0; i < network->count; i++, count++) {
        struct train_share *share = &ret_shares[count];
        snprintf(share->name, sizeof share->name, "%s", network->plan.layers[network->stages[i].layer].name);
        share->forward = work_seconds(step, WORK_FORWARD + (int)i);
        share->backward = work_seconds(step, WORK_BACKWARD + (int)i);
    }
    for (int i = 0; i < WORK_KINDS - WORK_IMAGES; i++, count++) {
        struct train_share *share = &ret_shares[count];
        snprintf(share->name, sizeof share->name, "%s", others[i]);
        share->forward = work_seconds(step, WORK_IMAGES + i);
        share->backward = 0;
    }
    return count;
}

/* ---- Preparing kernels ---- */

static void prepare_task(void *context, size_t task, int member)
{
    struct step_run *run = context;
    int64_t begin = work_begins(run->step);
    network_prepare(run->step->network, run->step->kernels, run->updated->weights, run->updated->prepared,
                    task, PREPARE_PARTS);
    work_ends(run->step, member, WORK_KERNELS, begin);
}

void train_step_prepare(struct train_step *step, struct train_state *state)
{
    struct step_run run = {.step = step, .updated = state};
    thread_team_run(step->team, prepare_task, &run, PREPARE_PARTS);
}

/* ---- Trunk ---- */

/* A shard's images, MICRO_BATCH at a time. */
struct span {
    size_t first, count;
};

static struct span shard_span(const struct step_run *run, size_t shard)
{
    size_t size = run->step->shard_size, first = shard * size, rest = run->batch->count - first;
    return (struct span){.first = first, .count = rest < size ? rest : size};
}

static bool next_micro_batch(struct span *shard, struct span *ret_micro)
{
    size_t count = shard->count < MICRO_BATCH ? shard->count : MICRO_BATCH;
    *ret_micro = (struct span){.first = shard->first, .count = count};
    shard->first += count;
    shard->count -= count;
    return count > 0;
}

static struct stage_context stage_context_of(const struct step_run *run, size_t first, int member)
{
    const struct train_step *step = run->step;
    return (struct stage_context){.network = step->network,
                                  .kernels = step->kernels,
                                  .parameters = run->state->weights,
                                  .prepared = run->state->prepared,
                                  .workspace = step->workspaces + (size_t)member * step->workspace,
                                  .training = true,
                                  .seed = run->batch->seed,
                                  .epoch = run->batch->epoch,
                                  .first_image = run->batch->first + first};
}

/* What stage `index` reads, for image `first` on. */
static float *stage_input(const struct train_step *step, size_t index, size_t first)
{
    return index == 0 ? step->inputs + first * step->network->input_size
                      : step->outputs[index - 1] + first * step->network->stages[index].in_size;
}

static int32_t *places_of(const struct step_run *run, size_t index, size_t first)
{
    int32_t *places = run->step->places[index];
    return places ? places + first * run->step->network->stages[index].out_size : NULL;
}

static void load_image(const struct step_run *run, size_t index, float *ret_input)
{
    const struct train_batch *batch = run->batch;
    const struct network *network = run->step->network;
    const uint8_t *image = dataset_image(batch->data, batch->order[index]);
    if (!batch->augmentation) {
        network_load_image(network, image, ret_input);
        return;
    }
    float pixels[IMAGE_PIXELS];
    augment_image(batch->augmentation, batch->seed, batch->epoch, batch->first + index, image, pixels);
    network_load_pixels(network, pixels, ret_input);
}

static void load_images(const struct step_run *run, struct span images, int member)
{
    struct train_step *step = run->step;
    int64_t begin = work_begins(step);
    for (size_t i = images.first; i < images.first + images.count; i++) {
        step->labels[i] = (uint8_t)dataset_label(run->batch->data, run->batch->order[i]);
        load_image(run, i, step->inputs + i * step->network->input_size);
    }
    work_ends(step, member, WORK_IMAGES, begin);
}

static void forward_task(void *context, size_t task, int member)
{
    const struct step_run *run = context;
    struct train_step *step = run->step;
    const struct network *network = step->network;
    struct span shard = shard_span(run, task), micro;
    while (next_micro_batch(&shard, &micro)) {
        load_images(run, micro, member);
        struct stage_context stages = stage_context_of(run, micro.first, member);
        for (size_t i = 0; i < network->trunk; i++) {
            size_t offset = micro.first * network->stages[i].out_size;
            int64_t begin = work_begins(step);
            stage_forward(&stages, &network->stages[i], micro.count, stage_input(step, i, micro.first),
                          step->outputs[i] + offset, places_of(run, i, micro.first));
            work_ends(step, member, WORK_FORWARD + (int)i, begin);
        }
    }
}

static void micro_batch_backward(const struct step_run *run, struct span micro, int member, bool accumulate,
                                 float *gradients)
{
    struct train_step *step = run->step;
    const struct network *network = step->network;
    struct stage_context stages = stage_context_of(run, micro.first, member);
    float *scratch = stages.workspace + step->workspace - 2 * step->scratch;
    float *dy =
        step->upstream[network->trunk - 1] + micro.first * network->stages[network->trunk - 1].out_size;
    for (size_t i = network->trunk; i-- > 0;) {
        const struct stage *stage = &network->stages[i];
        if (i == 0 && stage->kind != LAYER_CONV2D)
            return; /* nothing to learn, and nobody asks for the gradient of the image */
        size_t offset = micro.first * stage->out_size;
        float *dx = i == 0 ? NULL : scratch + i % 2 * step->scratch;
        int64_t begin = work_begins(step);
        stage_backward(&stages, stage, micro.count, stage_input(step, i, micro.first),
                       step->outputs[i] + offset, places_of(run, i, micro.first), accumulate, gradients, dy,
                       dx);
        work_ends(step, member, WORK_BACKWARD + (int)i, begin);
        dy = dx;
    }
}

static void backward_task(void *context, size_t task, int member)
{
    const struct step_run *run = context;
    struct train_step *step = run->step;
    struct span shard = shard_span(run, task), micro;
    float *gradients = step->partial + task * step->network->trunk_parameters;
    for (bool accumulate = false; next_micro_batch(&shard, &micro); accumulate = true)
        micro_batch_backward(run, micro, member, accumulate, gradients);
}

/* ---- Head ---- */

#define ROWS_A_TASK 8

static struct span row_span(const struct step_run *run, size_t task)
{
    size_t first = task * ROWS_A_TASK, rest = run->batch->count - first;
    return (struct span){.first = first, .count = rest < ROWS_A_TASK ? rest : ROWS_A_TASK};
}

static size_t row_tasks(const struct step_run *run)
{
    return (run->batch->count + ROWS_A_TASK - 1) / ROWS_A_TASK;
}

static void load_task(void *context, size_t task, int member)
{
    load_images(context, row_span(context, task), member);
}

static void dense_forward_task(void *context, size_t task, int member)
{
    const struct step_run *run = context;
    struct train_step *step = run->step;
    int64_t begin = work_begins(step);
    size_t first = task * DENSE_OUTPUTS, rest = run->stage->units - first;
    dense_forward(step->kernels, run->stage, run->state->weights, run->batch->count,
                  stage_input(step, run->index, 0), first, rest < DENSE_OUTPUTS ? rest : DENSE_OUTPUTS,
                  step->outputs[run->index]);
    work_ends(step, member, WORK_FORWARD + (int)run->index, begin);
}

/* Forward from the layer before to this one, or backward the other way. */
static void dropout_rows(const struct step_run *run, size_t task, int member, int work, const float *from,
                         float *to)
{
    int64_t begin = work_begins(run->step);
    struct span rows = row_span(run, task);
    struct stage_context stages = stage_context_of(run, 0, member);
    for (size_t i = rows.first; i < rows.first + rows.count; i++)
        dropout_row(&stages, run->stage, run->batch->first + i, from + i * run->stage->in_size,
                    to + i * run->stage->out_size);
    work_ends(run->step, member, work + (int)run->index, begin);
}

static void dropout_forward_task(void *context, size_t task, int member)
{
    const struct step_run *run = context;
    dropout_rows(run, task, member, WORK_FORWARD, stage_input(run->step, run->index, 0),
                 run->step->outputs[run->index]);
}

static void dropout_backward_task(void *context, size_t task, int member)
{
    const struct step_run *run = context;
    float **upstream = run->step->upstream;
    dropout_rows(run, task, member, WORK_BACKWARD, upstream[run->index], upstream[run->index - 1]);
}

static void slope_task(void *context, size_t task, int member)
{
    const struct step_run *run = context;
    struct train_step *step = run->step;
    struct span rows = row_span(run, task);
    size_t offset = rows.first * run->stage->out_size;
    (void)member;
    step->kernels->activation_gradient(run->stage->activation, step->outputs[run->index] + offset,
                                       rows.count * run->stage->out_size,
                                       step->upstream[run->index] + offset);
}

/* The larger tasks first, so that the members of the team end together. */
static void dense_backward_task(void *context, size_t task, int member)
{
    const struct step_run *run = context;
    struct train_step *step = run->step;
    int64_t begin = work_begins(step);
    const float *dy = step->upstream[run->index];
    if (task < run->input_tasks)
        dense_backward_input(run->stage, run->state->weights, run->batch->count, dy, task,
                             step->upstream[run->index - 1]);
    else
        dense_backward_weights(step->kernels, run->stage, run->batch->count, stage_input(step, run->index, 0),
                               dy, task - run->input_tasks, step->gradients);
    work_ends(step, member, WORK_BACKWARD + (int)run->index, begin);
}

static void head_forward(struct step_run *run)
{
    const struct network *network = run->step->network;
    for (run->index = network->trunk; run->index < network->count; run->index++) {
        run->stage = &network->stages[run->index];
        if (run->stage->kind == LAYER_DENSE)
            thread_team_run(run->step->team, dense_forward_task, run,
                            dense_blocks(run->stage->units, DENSE_OUTPUTS));
        else
            thread_team_run(run->step->team, dropout_forward_task, run, row_tasks(run));
    }
}

static void head_backward(struct step_run *run)
{
    const struct network *network = run->step->network;
    struct thread_team *team = run->step->team;
    for (run->index = network->count; run->index-- > network->trunk;) {
        run->stage = &network->stages[run->index];
        bool has_input = run->index > 0; /* whose gradient somebody asks for */
        if (run->stage->kind == LAYER_DROPOUT) {
            if (has_input)
                thread_team_run(team, dropout_backward_task, run, row_tasks(run));
            continue;
        }
        if (run->stage->activation != ACTIVATION_SOFTMAX)
            thread_team_run(team, slope_task, run, row_tasks(run));
        run->input_tasks = has_input ? dense_blocks(run->stage->fan_in, DENSE_INPUTS) : 0;
        thread_team_run(team, dense_backward_task, run,
                        run->input_tasks + dense_blocks(run->stage->fan_in, DENSE_WEIGHTS));
    }
}

/* ---- The sum of the gradients, and the optimizer ---- */

/* The one place where gradients of several workers meet: between machines it would be an MPI_Allreduce. Adds the shards
 * in order, and looks for what is not finite. */
static void reduce_task(void *context, size_t task, int member)
{
    struct step_run *run = context;
    struct train_step *step = run->step;
    const struct network *network = step->network;
    int64_t begin = work_begins(step);
    size_t first = task * SLAB_BLOCK;
    size_t end = first + SLAB_BLOCK < network->parameters ? first + SLAB_BLOCK : network->parameters;
    if (first < network->trunk_parameters) {
        size_t trunk_end = end < network->trunk_parameters ? end : network->trunk_parameters;
        memset(step->gradients + first, 0, (trunk_end - first) * sizeof *step->gradients);
        for (size_t shard = 0; shard < shard_count(run->batch->count, step->shard_size); shard++)
            step->kernels->add(step->partial + shard * network->trunk_parameters + first, trunk_end - first,
                               step->gradients + first);
    }
    if (!step->kernels->all_finite(step->gradients + first, end - first))
        atomic_store(&run->infinite, true);
    work_ends(step, member, WORK_SUM, begin);
}

static size_t slab_tasks(const struct network *network)
{
    return (network->parameters + SLAB_BLOCK - 1) / SLAB_BLOCK;
}

bool train_step_gradient(struct train_step *step, const struct train_state *state,
                         const struct train_batch *batch, struct loss_sum *ret_loss)
{
    const struct network *network = step->network;
    struct step_run run = {.step = step, .state = state, .batch = batch};
    size_t shards = shard_count(batch->count, step->shard_size), last = network->count - 1;
    if (network->trunk > 0)
        thread_team_run(step->team, forward_task, &run, shards);
    else
        thread_team_run(step->team, load_task, &run, row_tasks(&run));
    head_forward(&run);
    *ret_loss = cross_entropy(batch->count, step->outputs[last], network->stages[last].out_size, step->labels,
                              batch->label_smoothing, step->upstream[last]);
    head_backward(&run);
    if (network->trunk > 0)
        thread_team_run(step->team, backward_task, &run, shards);
    thread_team_run(step->team, reduce_task, &run, slab_tasks(network));
    return isfinite(ret_loss->loss) && !atomic_load(&run.infinite);
}

static void update_task(void *context, size_t task, int member)
{
    const struct step_run *run = context;
    struct train_step *step = run->step;
    struct train_state *state = run->updated;
    int64_t begin = work_begins(step);
    size_t first = task * SLAB_BLOCK, rest = step->network->parameters - first;
    size_t count = rest < SLAB_BLOCK ? rest : SLAB_BLOCK;
    step->kernels->adam(&run->update->adam, step->gradients + first, count, state->weights + first,
                        state->moment_1 + first, state->moment_2 + first);
    if (state->average)
        step->kernels->average(run->update->average_share, state->weights + first, count,
                               state->average + first);
    work_ends(step, member, WORK_UPDATE, begin);
}

void train_step_apply(struct train_step *step, struct train_state *state, const struct train_update *update)
{
    struct step_run run = {.step = step, .updated = state, .update = update};
    thread_team_run(step->team, update_task, &run, slab_tasks(step->network));
    train_step_prepare(step, state);
}
