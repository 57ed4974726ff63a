#include "engine/calibration.h"
#include "engine/dense.h"
#include "engine/inference.h"
#include "engine/threads.h"

#include <stdlib.h>
#include <string.h>

/* Images that one task runs, and tasks of one piece: fixed, so that the sums are the same for any team. */
#define TASK_IMAGES 64
#define PIECE_TASKS 8

struct task_result {
    double loss;
    size_t correct;
    uint32_t confusion_matrix[CLASSES][CLASSES];
};

struct evaluator {
    struct model *model;
    struct dataset *data;
    struct thread_team *team;
    struct inference **inferences; /* one a member of the team */
    float *logits;                 /* [images][10] */
    uint8_t *labels;               /* [images] */
    size_t first, next, end;       /* images; those from `next` on are still to do */
    size_t correct;
    struct evaluation result; /* `loss` is a sum until it is asked for */
    struct task_result tasks[PIECE_TASKS];
};

static enum status check_range(const struct dataset *data, size_t first, size_t count, struct error *err)
{
    size_t all = dataset_count(data);
    if (first > all || count > all - first)
        return error_set(err, ERR_ARGUMENT, "images %zu to %zu: the dataset has %zu", first, first + count,
                         all);
    return OK;
}

enum status evaluator_create(struct model *model, struct dataset *data, size_t first, size_t count,
                             struct thread_team *team, struct evaluator **ret_evaluator, struct error *err)
{
    enum status status = check_range(data, first, count, err);
    if (status != OK)
        return status;
    size_t members = (size_t)thread_team_size(team);
    struct evaluator *evaluator = calloc(1, sizeof *evaluator);
    struct inference **inferences = calloc(members, sizeof *inferences);
    float *logits = malloc((count + 1) * CLASSES * sizeof *logits);
    uint8_t *labels = malloc(count + 1);
    if (!evaluator || !inferences || !logits || !labels) {
        free(evaluator);
        free(inferences);
        free(logits);
        free(labels);
        return error_set(err, ERR_MEMORY, "no memory for an evaluation");
    }
    *evaluator = (struct evaluator){.model = model_ref(model),
                                    .data = dataset_ref(data),
                                    .team = team,
                                    .inferences = inferences,
                                    .logits = logits,
                                    .labels = labels,
                                    .first = first,
                                    .next = first,
                                    .end = first + count};
    for (size_t i = 0; i < members && status == OK; i++)
        status = inference_create(model, TASK_IMAGES, &inferences[i], err);
    if (status != OK) {
        evaluator_free(evaluator);
        return status;
    }
    *ret_evaluator = evaluator;
    return OK;
}

void evaluator_free(struct evaluator *evaluator)
{
    if (!evaluator)
        return;
    for (int i = 0; i < thread_team_size(evaluator->team); i++)
        inference_free(evaluator->inferences[i]);
    free(evaluator->inferences);
    free(evaluator->logits);
    free(evaluator->labels);
    dataset_unref(evaluator->data);
    model_unref(evaluator->model);
    free(evaluator);
}

static void evaluate_task(void *context, size_t task, int member)
{
    struct evaluator *evaluator = context;
    struct inference *inference = evaluator->inferences[member];
    struct task_result *result = &evaluator->tasks[task];
    size_t first = evaluator->next + task * TASK_IMAGES, rest = evaluator->end - first;
    size_t count = rest < TASK_IMAGES ? rest : TASK_IMAGES, pitch;
    uint8_t labels[TASK_IMAGES];
    for (size_t i = 0; i < count; i++) {
        labels[i] = (uint8_t)dataset_label(evaluator->data, first + i);
        network_load_image(&evaluator->model->network, dataset_image(evaluator->data, first + i),
                           inference_input(inference, i));
    }
    const float *logits = inference_run(inference, count, &pitch);
    struct loss_sum sum = cross_entropy(count, logits, pitch, labels, 0, NULL);
    *result = (struct task_result){.loss = sum.loss, .correct = sum.correct};
    size_t done = first - evaluator->first;
    memcpy(evaluator->labels + done, labels, count);
    for (size_t i = 0; i < count; i++) {
        result->confusion_matrix[labels[i]][arg_max(logits + i * pitch)]++;
        memcpy(evaluator->logits + (done + i) * CLASSES, logits + i * pitch, CLASSES * sizeof *logits);
    }
}

bool evaluator_advance(struct evaluator *evaluator)
{
    size_t rest = evaluator->end - evaluator->next;
    size_t tasks = (rest + TASK_IMAGES - 1) / TASK_IMAGES;
    tasks = tasks < PIECE_TASKS ? tasks : PIECE_TASKS;
    thread_team_run(evaluator->team, evaluate_task, evaluator, tasks);
    for (size_t task = 0; task < tasks; task++) {
        const struct task_result *result = &evaluator->tasks[task];
        evaluator->result.loss += result->loss;
        evaluator->correct += result->correct;
        for (size_t i = 0; i < CLASSES * CLASSES; i++)
            (&evaluator->result.confusion_matrix[0][0])[i] += (&result->confusion_matrix[0][0])[i];
    }
    size_t done = rest < tasks * TASK_IMAGES ? rest : tasks * TASK_IMAGES;
    evaluator->next += done;
    evaluator->result.count += done;
    return evaluator->next < evaluator->end;
}

struct evaluation evaluator_result(const struct evaluator *evaluator)
{
    struct evaluation result = evaluator->result;
    if (result.count > 0) {
        result.loss /= (double)result.count;
        result.accuracy = (double)evaluator->correct / (double)result.count;
    }
    return result;
}

struct calibration evaluator_calibration(const struct evaluator *evaluator)
{
    return calibration_measure(evaluator->logits, evaluator->labels, evaluator->result.count,
                               evaluator->model->temperature);
}

struct evaluated_image evaluator_image(const struct evaluator *evaluator, size_t index)
{
    const float *logits = evaluator->logits + index * CLASSES;
    struct evaluated_image image = {.label = evaluator->labels[index], .predicted = arg_max(logits)};
    softmax(1, logits, CLASSES, evaluator->model->temperature, image.probabilities);
    return image;
}

double evaluator_fit_temperature(const struct evaluator *evaluator)
{
    return temperature_fit(evaluator->logits, evaluator->labels, evaluator->result.count);
}
