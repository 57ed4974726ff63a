#include "server/job_runner.h"

#include "server/app.h"
#include "server/clock.h"
#include "server/datasets.h"
#include "server/engine_start.h"
#include "server/evaluation.h"
#include "server/events.h"
#include "server/jobs.h"
#include "server/log.h"
#include "server/meter.h"
#include "server/metrics.h"
#include "server/predict.h"
#include "server/registry.h"
#include "server/rival.h"
#include "server/sweeps.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* A thread that runs one job after the other, with a team of its own. */
struct runner_lane {
    const struct app *app;
    struct thread_team *team;
    pthread_t thread;
    bool started;
};

struct job_runner {
    struct jobs *jobs;
    int lane_count;
    struct runner_lane lanes[JOBS_CONCURRENT_MAX];
};

/* One job, from jobs_take to jobs_release. */
struct run {
    const struct app *app;
    struct thread_team *team;
    struct live_job *live;
    const struct job_record *job;
    struct job_request request;
    struct dataset *train, *test;
    struct trainer *trainer;
    struct meter meter;
    int64_t images_counted; /* for the metrics */
    struct job_progress progress;
    enum job_order order; /* the last one heard; anything but JOB_GO_ON ends the run */
};

/* ---- Reporting ------------------------------------------------------------------------------------- */

static void report(struct run *run, enum job_phase phase)
{
    struct train_progress progress = trainer_progress(run->trainer);
    run->progress = (struct job_progress){.phase = phase,
                                          .epoch = progress.epoch,
                                          .step = progress.step,
                                          .steps = progress.steps,
                                          .images_per_second = meter_rate(&run->meter),
                                          .eta_seconds = meter_eta(&run->meter, clock_seconds()),
                                          .stopped_early = progress.stopped_early,
                                          .best_epoch = progress.best_epoch};
    run->order = jobs_report(run->app->jobs, run->live, &run->progress);
}

static bool is_trial(const struct run *run)
{
    return *run->job->sweep != '\0';
}

/* tell(run, level, format, ...): a notable moment of the job, for who follows it. */
#define tell(run, level, ...)                                                                                \
    events_tell((run)->app->store, level, (run)->job->id, is_trial(run) ? (run)->job->sweep : NULL,          \
                __VA_ARGS__)

/* Predictions can have the model in training, unless it is one of many that are compared; when that fails the training
 * matters more. */
static void offer_model(struct run *run, int epochs_done)
{
    struct model *model;
    struct error err;
    if (is_trial(run))
        return;
    enum status status = trainer_snapshot(run->trainer, &model, &err);
    if (status == OK) {
        status = predict_publish_live(run->app->predictions, run->request.name, run->job->id, epochs_done,
                                      model, &err);
        model_unref(model);
    }
    if (status)
        log_warning("job %s: its model is not offered to predictions: %s", run->job->id, err.message);
}

/* ---- Getting ready --------------------------------------------------------------------------------- */

static enum status read_request(struct run *run, struct error *err)
{
    struct problems problems = {0};
    json_error_t where;
    json_t *config = json_loads(run->job->config, 0, &where);
    if (!config)
        return error_set(err, ERR_FORMAT, "the job's configuration cannot be read: %s", where.text);

    /* The datasets come first: checking the request looks at them, too. */
    struct mix_part parts[MIX_PARTS_MAX] = {0};
    enum status status = job_request_open(config, run->app->datasets, parts, &run->test, err);
    if (status == OK && jobs_check_kept(run->app->jobs, config, &run->request, &problems))
        status = problems_first(&problems, err);
    json_decref(config);
    if (status == OK && job_request_is_mix(&run->request))
        status = dataset_mix(parts, run->request.part_count, &run->request.training, &run->train, err);
    else if (status == OK)
        run->train = dataset_ref(parts[0].data);
    for (size_t i = 0; i < MIX_PARTS_MAX; i++)
        dataset_unref(parts[i].data);
    return status;
}

static enum status begin_training(struct run *run, struct error *err)
{
    const struct job_request *request = &run->request;
    const struct job_origin *origin = &request->init_from;
    if (origin->version == 0)
        return trainer_create(&request->plan, &request->training, run->train, run->team, &run->trainer, err);
    struct model *model;
    enum status status = registry_load(run->app->registry, origin->model, origin->version, &model, err);
    if (status == ERR_NOT_FOUND)
        return error_set(err, ERR_ARGUMENT, "%s version %d, which this job begins with, is gone",
                         origin->model, origin->version);
    if (status)
        return status;
    status = trainer_create_from(model, &request->training, run->train, run->team, &run->trainer, err);
    model_unref(model);
    return status;
}

/* From the last checkpoint if there is one, else from the beginning: both lead to the same weights. */
static enum status make_trainer(struct run *run, struct error *err)
{
    char path[FILES_PATH_SIZE];
    enum status status = jobs_checkpoint_path(run->app->jobs, run->job->id, path, err);
    if (status)
        return status;
    status = trainer_load(path, run->train, run->team, &run->trainer, err);
    if (status == ERR_CHANGED)
        return error_set(err, status, "the training images of %s have changed since the job began",
                         run->request.parts[0].name);
    if (status == ERR_FORMAT)
        tell(run, LOG_WARNING, "starts from the beginning: %s", err->message);
    if (status == ERR_FORMAT || status == ERR_NOT_FOUND)
        status = begin_training(run, err);
    return status;
}

static int epochs_done(const struct train_progress *progress)
{
    bool complete = progress->step == progress->steps && !progress->validating;
    return complete ? progress->epoch : progress->epoch - 1;
}

static int64_t steps_done(const struct train_progress *progress)
{
    return (progress->epoch - 1) * progress->steps + progress->step;
}

static enum status get_ready(struct run *run, struct error *err)
{
    enum status status = read_request(run, err);
    if (status == OK)
        status = make_trainer(run, err);
    if (status)
        return status;

    struct train_progress progress = trainer_progress(run->trainer);
    if (engine_start_fallback())
        tell(run, LOG_WARNING,
             "trains on the safe core type %s, since the processor's own kernels compute wrongly",
             engine_core_type());
    struct meter_plan plan =
        meter_plan_of(trainer_config(run->trainer), dataset_split(run->train, trainer_config(run->trainer)),
                      dataset_count(run->test));
    meter_start(&run->meter, &plan, clock_seconds(), progress.images, epochs_done(&progress));
    run->images_counted = progress.images;
    if (progress.images > 0)
        tell(run, LOG_INFO, "continues from its checkpoint, after step %lld of %lld, in epoch %d of %d",
             (long long)steps_done(&progress), (long long)(progress.epochs * progress.steps), progress.epoch,
             progress.epochs);
    if (epochs_done(&progress) > 0)
        offer_model(run, epochs_done(&progress));
    return jobs_continue(run->app->jobs, run->live, steps_done(&progress), progress.steps, err);
}

/* ---- Training -------------------------------------------------------------------------------------- */

static enum status save_checkpoint(const struct run *run, struct error *err)
{
    char path[FILES_PATH_SIZE];
    enum status status = jobs_checkpoint_path(run->app->jobs, run->job->id, path, err);
    return status ? status : trainer_save(run->trainer, path, err);
}

static void on_step(struct run *run)
{
    struct train_progress progress = trainer_progress(run->trainer);
    meter_step(&run->meter, clock_seconds(), progress.images);
    metrics_trained(run->app->metrics, (uint64_t)(progress.images - run->images_counted));
    run->images_counted = progress.images;
    jobs_step(run->app->jobs, run->live, steps_done(&progress), progress.step_loss);
}

/* Metrics before the checkpoint: a checkpoint is never ahead of what can be read about the run. */
static enum status on_epoch(struct run *run, struct error *err)
{
    struct epoch_metrics metrics = trainer_last_epoch(run->trainer);
    enum status status = jobs_epoch(run->app->jobs, run->live, &metrics, err);
    if (status == OK)
        status = save_checkpoint(run, err);
    if (status)
        return status;
    offer_model(run, metrics.epoch);
    meter_epoch(&run->meter, clock_seconds());
    log_info("job %s: epoch %d of %d: loss %.4f, accuracy %.4f, validation %.4f, %.1f s", run->job->id,
             metrics.epoch, run->request.training.epochs, metrics.train_loss, metrics.train_accuracy,
             metrics.validation_accuracy, metrics.seconds);
    return OK;
}

static void on_end(struct run *run)
{
    struct train_progress progress = trainer_progress(run->trainer);
    if (!progress.stopped_early)
        return;
    meter_end_early(&run->meter);
    tell(run, LOG_INFO, "ends after epoch %d, since none after epoch %d has a lower validation loss",
         progress.epoch, progress.best_epoch);
}

static enum status train(struct run *run, struct error *err)
{
    for (;;) {
        enum trainer_event event;
        report(run, trainer_progress(run->trainer).validating ? PHASE_VALIDATING : PHASE_TRAINING);
        if (run->order != JOB_GO_ON)
            return OK;
        enum status status = trainer_advance(run->trainer, &event, err);
        if (status == OK && event == TRAINER_STEP)
            on_step(run);
        if (status == OK && event == TRAINER_EPOCH)
            status = on_epoch(run, err);
        if (status == OK && event == TRAINER_DONE)
            on_end(run);
        if (status || event == TRAINER_DONE)
            return status;
    }
}

/* ---- The end --------------------------------------------------------------------------------------- */

static bool goes_on_testing(void *context, size_t images)
{
    struct run *run = context;
    meter_test(&run->meter, clock_seconds(), (int64_t)images);
    report(run, PHASE_EVALUATING);
    return run->order == JOB_GO_ON;
}

/* There is a result when the order is still to go on. */
static enum status evaluate(struct run *run, struct model *model, struct evaluation_record *ret_evaluation,
                            struct error *err)
{
    const struct evaluation_pace pace = {run->team, goes_on_testing, run};
    bool complete;
    enum status status = evaluation_measure(model, run->test, &pace, ret_evaluation, &complete, err);
    if (status == OK && complete)
        snprintf(ret_evaluation->dataset, sizeof ret_evaluation->dataset, "%s", run->request.test_dataset);
    ret_evaluation->split = SPLIT_TEST;
    return status;
}

static bool goes_on(void *context, size_t images)
{
    (void)images;
    struct run *run = context;
    report(run, PHASE_EVALUATING);
    return run->order == JOB_GO_ON;
}

/* What is in production, if the new version is to be held against it. */
static void evaluate_rival(struct run *run)
{
    const struct evaluation_pace pace = {run->team, goes_on, run};
    if (run->request.promotion == PROMOTION_IF_BETTER && !is_trial(run))
        rival_measure(run->app->store, run->app->registry, run->request.name, run->request.test_dataset,
                      run->test, &pace);
}

/* The epoch whose weights the run keeps: with patience the one that validated best, else the last. */
static const struct epoch_metrics *kept_epoch(const struct epoch_metrics *epochs, size_t count,
                                              int best_epoch)
{
    for (size_t i = 0; i < count; i++) {
        if (epochs[i].epoch == best_epoch)
            return &epochs[i];
    }
    return &epochs[count - 1];
}

static enum status fill_version(const struct run *run, const struct evaluation_record *evaluation,
                                struct version_record *ret_version, struct error *err)
{
    struct epoch_metrics *epochs;
    size_t count;
    enum status status = store_epochs_read(run->app->store, run->job->id, &epochs, &count, err);
    if (status)
        return status;
    if (count == 0)
        return error_set(err, ERR_IO, "the metrics of the job's epochs are gone");
    struct train_progress progress = trainer_progress(run->trainer);
    const struct epoch_metrics *kept = kept_epoch(epochs, count, progress.best_epoch);
    *ret_version = (struct version_record){.config = run->job->config,
                                           .test_loss = evaluation->loss,
                                           .test_accuracy = evaluation->accuracy,
                                           .evaluation = evaluation,
                                           .validation_loss = kept->validation_loss,
                                           .validation_accuracy = kept->validation_accuracy,
                                           .epochs = progress.epoch,
                                           .best_epoch = progress.best_epoch,
                                           .stopped_early = progress.stopped_early};
    for (size_t i = 0; i < count; i++)
        ret_version->training_seconds += epochs[i].seconds;
    free(epochs);
    snprintf(ret_version->model, sizeof ret_version->model, "%s", run->request.name);
    snprintf(ret_version->job_id, sizeof ret_version->job_id, "%s", run->job->id);
    snprintf(ret_version->train_digest, DIGEST_TEXT_SIZE, "%s", dataset_digest(run->train));
    snprintf(ret_version->test_digest, DIGEST_TEXT_SIZE, "%s", dataset_digest(run->test));
    return OK;
}

static enum job_change register_version(struct run *run, struct model *model, struct version_record *version,
                                        struct error *err)
{
    if (is_trial(run))
        return sweeps_publish(run->app->sweeps, run->job, model, version, run->meter.plan.validation_images,
                              err);
    enum job_change change =
        registry_publish(run->app->registry, model, version, run->request.promotion, err);
    if (change == JOB_CHANGED)
        log_info("job %s: %s version %d, test accuracy %.4f", run->job->id, version->model, version->version,
                 version->test_accuracy);
    return change;
}

static enum status publish(struct run *run, struct model *model, const struct evaluation_record *evaluation,
                           struct error *err)
{
    struct version_record version;
    enum status status = fill_version(run, evaluation, &version, err);
    if (status)
        return status;
    switch (register_version(run, model, &version, err)) {
    case JOB_CHANGED:
        return OK;
    case JOB_CHANGE_FAILED:
        return err->code;
    default: /* a client paused or cancelled it meanwhile */
        report(run, PHASE_EVALUATING);
        return OK;
    }
}

static enum status evaluate_and_publish(struct run *run, struct error *err)
{
    struct model *model;
    struct evaluation_record evaluation = {.details = NULL};
    enum status status = trainer_snapshot(run->trainer, &model, err);
    if (status)
        return status;
    status = evaluate(run, model, &evaluation, err);
    if (status == OK && run->order == JOB_GO_ON)
        evaluate_rival(run);
    if (status == OK && run->order == JOB_GO_ON)
        status = publish(run, model, &evaluation, err);
    evaluation_record_clear(&evaluation);
    model_unref(model);
    return status;
}

/* What became of a job that failed, and what to do about it, by the engine's code. */
static const struct {
    const char *code, *advice;
} failures[] = {
    [OK] = {"internal", ""},
    [ERR_ARGUMENT] = {"invalid", "Start a new job."},
    [ERR_SHAPE] = {"invalid", "Start a new job with another network."},
    [ERR_FORMAT] = {"bad_data", "Repair the file and start the job again."},
    [ERR_NOT_FOUND] = {"dataset_missing", "Put the dataset back and start the job again."},
    [ERR_IO] = {"io", "See that the disk can be written to and start the job again."},
    [ERR_FULL] = {"disk_full", "Make space and start the job again."},
    [ERR_CHANGED] = {"dataset_changed", "Start the job again: it trains on the images that are there now."},
    [ERR_MEMORY] = {"out_of_memory", "Start it again with a smaller network or batch_size."},
    [ERR_NO_INK] = {"internal", ""},
    [ERR_DIVERGED] = {"diverged", ""},
    [ERR_NUMERICS] = {"internal", ""},
};

static void fail(const struct run *run, const struct error *reason)
{
    char detail[512];
    const char *advice = failures[reason->code].advice;
    snprintf(detail, sizeof detail, "%s.%s%s", reason->message, *advice ? " " : "", advice);
    tell(run, LOG_ERROR, "failed: %s", detail);
    json_t *json = json_pack("{s:s, s:s}", "code", failures[reason->code].code, "detail", detail);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    jobs_fail(run->app->jobs, run->live,
              text ? text : "{\"code\":\"out_of_memory\",\"detail\":\"no memory\"}");
    free(text);
    json_decref(json);
}

/* The job will go on later, from this very step. Without this checkpoint it does so from the last epoch's. */
static void leave(const struct run *run)
{
    struct error err;
    struct train_progress progress = trainer_progress(run->trainer);
    if (jobs_keep_losses(run->app->jobs, run->live, &err) || save_checkpoint(run, &err))
        tell(run, LOG_WARNING, "will go on from its last complete epoch: %s", err.message);
    else
        tell(run, LOG_INFO, "stops with a checkpoint after step %lld of %lld",
             (long long)steps_done(&progress), (long long)(progress.epochs * progress.steps));
}

static void run_job(const struct runner_lane *lane, struct live_job *live, const struct job_record *job)
{
    struct run run = {.app = lane->app, .team = lane->team, .live = live, .job = job};
    struct error err;
    log_info("job %s starts", job->id);
    enum status status = get_ready(&run, &err);
    if (status == OK)
        status = train(&run, &err);
    if (status == OK && run.order == JOB_GO_ON)
        status = evaluate_and_publish(&run, &err);

    if (status)
        fail(&run, &err);
    else if (run.order == JOB_PAUSE || run.order == JOB_STOP)
        leave(&run);
    predict_withdraw_live(lane->app->predictions, job->id);
    trainer_free(run.trainer);
    dataset_unref(run.train);
    dataset_unref(run.test);
    jobs_release(lane->app->jobs, live);
    if (is_trial(&run))
        sweeps_trial_ended(lane->app->sweeps);
}

/* ---- The threads ----------------------------------------------------------------------------------- */

static void *lane_main(void *argument)
{
    const struct runner_lane *lane = argument;
    struct live_job *live;
    struct job_record job;
    thread_lower_priority();
    while (jobs_take(lane->app->jobs, &live, &job)) {
        run_job(lane, live, &job);
        job_record_clear(&job);
    }
    return NULL;
}

static enum status lane_start(struct runner_lane *lane, const struct app *app, int threads, struct error *err)
{
    lane->app = app;
    enum status status = thread_team_create(threads, true, &lane->team, err);
    if (status == OK && pthread_create(&lane->thread, NULL, lane_main, lane))
        status = error_set(err, ERR_MEMORY, "a thread of the job runner cannot be started");
    lane->started = status == OK;
    return status;
}

enum status job_runner_create(const struct app *app, int threads, int concurrent,
                              struct job_runner **ret_runner, struct error *err)
{
    struct job_runner *runner = calloc(1, sizeof *runner);
    if (!runner)
        return error_set(err, ERR_MEMORY, "no memory for the job runner");
    runner->jobs = app->jobs;
    runner->lane_count = concurrent;
    enum status status = OK;
    for (int i = 0; i < concurrent && status == OK; i++)
        status = lane_start(&runner->lanes[i], app, job_runner_share(threads, concurrent, i), err);
    if (status) {
        job_runner_free(runner);
        return status;
    }
    *ret_runner = runner;
    return OK;
}

int job_runner_share(int threads, int concurrent, int lane)
{
    int share = threads / concurrent + (lane < threads % concurrent);
    return share ? share : 1;
}

void job_runner_free(struct job_runner *runner)
{
    if (!runner)
        return;
    jobs_stop(runner->jobs);
    for (int i = 0; i < runner->lane_count; i++) {
        if (runner->lanes[i].started)
            pthread_join(runner->lanes[i].thread, NULL);
        thread_team_free(runner->lanes[i].team);
    }
    free(runner);
}
