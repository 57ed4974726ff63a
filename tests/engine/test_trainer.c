/* Whole training runs: they learn, they repeat themselves to the bit, they go on where they were left. */
#include "tests/engine/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SMALL                                                                                                \
    "{\"layers\":[{\"type\":\"conv2d\",\"filters\":8,\"kernel_size\":3,\"padding\":\"same\"},"               \
    "{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"conv2d\",\"filters\":16,\"kernel_size\":3},"      \
    "{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"flatten\"},"                                      \
    "{\"type\":\"dropout\",\"rate\":0.2},{\"type\":\"dense\",\"units\":24},"                                 \
    "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}"

enum { IMAGES = 230 };

static struct train_config short_run(void)
{
    struct train_config config = train_config_default();
    config.epochs = 2;
    config.batch_size = 24;
    config.validation_split = 0.2;
    return config;
}

static struct trainer *new_trainer(const struct train_config *config, struct dataset *data,
                                   struct thread_team *team)
{
    struct model_plan plan = plan_from_json(SMALL);
    struct trainer *trainer = NULL;
    struct error err = {0};
    if (trainer_create(&plan, config, data, team, &trainer, &err) != OK)
        fail_msg("%s", err.message);
    return trainer;
}

static enum trainer_event advance(struct trainer *trainer)
{
    enum trainer_event event;
    struct error err = {0};
    if (trainer_advance(trainer, &event, &err) != OK)
        fail_msg("%s", err.message);
    return event;
}

static void digest_of(const struct trainer *trainer, char digest[65])
{
    struct model *model = NULL;
    assert_int_equal(trainer_snapshot(trainer, &model, NULL), OK);
    model_digest(model, digest);
    model_unref(model);
}

static void run_to_the_end(struct trainer *trainer)
{
    while (advance(trainer) != TRAINER_DONE)
        ;
}

static void a_run_learns_and_reports_each_epoch(void **state)
{
    (void)state;
    struct thread_team *team = team_of(2);
    struct dataset *data = bars_dataset(600);
    struct train_config config = short_run();
    config.epochs = 6;
    config.learning_rate = 3e-3;
    struct trainer *trainer = new_trainer(&config, data, team);
    int epochs = 0;
    int64_t steps = 0;
    enum trainer_event event;
    while ((event = advance(trainer)) != TRAINER_DONE) {
        steps += event == TRAINER_STEP;
        if (event != TRAINER_EPOCH)
            continue;
        struct epoch_metrics metrics = trainer_last_epoch(trainer);
        assert_int_equal(metrics.epoch, ++epochs);
        assert_true(metrics.train_loss > 0 && metrics.validation_loss > 0 && metrics.seconds > 0);
    }
    assert_int_equal(epochs, 6);
    assert_int_equal(steps, 6 * 20); /* 480 images in batches of 24 */
    assert_true(trainer_last_epoch(trainer).validation_accuracy > 0.95);
    struct train_progress progress = trainer_progress(trainer);
    assert_int_equal(progress.images, 6 * 480);
    assert_int_equal(progress.images_total, 6 * 480);
    assert_int_equal(progress.epoch, 6);
    trainer_free(trainer);
    dataset_unref(data);
    thread_team_free(team);
}

static void the_number_of_threads_never_changes_the_weights(void **state)
{
    (void)state;
    char first[65], digest[65];
    struct dataset *data = bars_dataset(IMAGES);
    for (int threads = 1; threads <= 4; threads++) {
        struct thread_team *team = team_of(threads);
        struct train_config config = short_run();
        struct trainer *trainer = new_trainer(&config, data, team);
        run_to_the_end(trainer);
        digest_of(trainer, threads == 1 ? first : digest);
        if (threads > 1)
            assert_string_equal(digest, first);
        trainer_free(trainer);
        thread_team_free(team);
    }
    dataset_unref(data);
}

static void another_seed_gives_other_weights(void **state)
{
    (void)state;
    char digests[2][65];
    struct thread_team *team = team_of(1);
    struct dataset *data = bars_dataset(IMAGES);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct train_config config = short_run();
        config.seed = seed;
        struct trainer *trainer = new_trainer(&config, data, team);
        digest_of(trainer, digests[seed - 1]);
        trainer_free(trainer);
    }
    assert_string_not_equal(digests[0], digests[1]);
    dataset_unref(data);
    thread_team_free(team);
}

/* Interrupted after every single piece of work, and continued by another team from the file each time. */
static void resume_gives_the_bytes_of_an_uninterrupted_run(void **state)
{
    (void)state;
    char expected[65], digest[65], path[] = "/tmp/test_trainer_XXXXXX";
    close(mkstemp(path));
    struct dataset *data = bars_dataset(IMAGES);
    struct thread_team *teams[] = {team_of(1), team_of(3)};
    struct train_config config = short_run();
    struct trainer *trainer = new_trainer(&config, data, teams[0]);
    run_to_the_end(trainer);
    digest_of(trainer, expected);
    struct epoch_metrics last = trainer_last_epoch(trainer);
    trainer_free(trainer);

    trainer = new_trainer(&config, data, teams[0]);
    struct epoch_metrics resumed_last = {0};
    int pieces = 0;
    for (enum trainer_event event; (event = advance(trainer)) != TRAINER_DONE; pieces++) {
        if (event == TRAINER_EPOCH)
            resumed_last = trainer_last_epoch(trainer);
        struct error err = {0};
        if (trainer_save(trainer, path, &err) != OK)
            fail_msg("%s", err.message);
        trainer_free(trainer);
        trainer = NULL;
        if (trainer_load(path, data, teams[pieces % 2], &trainer, &err) != OK)
            fail_msg("%s", err.message);
    }
    digest_of(trainer, digest);
    assert_string_equal(digest, expected);
    assert_true(resumed_last.train_loss == last.train_loss);
    assert_true(resumed_last.train_accuracy == last.train_accuracy);
    assert_true(resumed_last.validation_loss == last.validation_loss);
    assert_true(pieces >= 18);
    trainer_free(trainer);
    thread_team_free(teams[0]);
    thread_team_free(teams[1]);
    dataset_unref(data);
    unlink(path);
}

static void a_checkpoint_of_another_dataset_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/test_trainer_XXXXXX";
    close(mkstemp(path));
    struct thread_team *team = team_of(1);
    struct dataset *data = bars_dataset(IMAGES), *other = bars_dataset(IMAGES + 1);
    struct train_config config = short_run();
    struct trainer *trainer = new_trainer(&config, data, team), *loaded = NULL;
    struct error err;
    assert_int_equal(trainer_save(trainer, path, NULL), OK);
    assert_int_equal(trainer_load(path, other, team, &loaded, &err), ERR_CHANGED);
    assert_non_null(strstr(err.message, "another dataset"));
    assert_int_equal(trainer_load("/tmp/there/is/none", data, team, &loaded, &err), ERR_NOT_FOUND);
    assert_null(loaded);
    trainer_free(trainer);
    dataset_unref(data);
    dataset_unref(other);
    thread_team_free(team);
    unlink(path);
}

/* A network of so many linear layers that one large step makes its output overflow. */
static struct model_plan explosive_plan(void)
{
    char json[4096] = "{\"layers\":[{\"type\":\"flatten\"},";
    for (int i = 0; i < 20; i++)
        strcat(json, "{\"type\":\"dense\",\"units\":64,\"activation\":\"linear\"},");
    strcat(json, "{\"type\":\"dense\",\"units\":10,\"activation\":\"softmax\"}]}");
    return plan_from_json(json);
}

static void divergence_stops_the_run_and_keeps_the_last_finite_weights(void **state)
{
    (void)state;
    struct thread_team *team = team_of(2);
    struct dataset *data = bars_dataset(IMAGES);
    struct train_config config = short_run();
    config.learning_rate = 10;
    struct model_plan plan = explosive_plan();
    struct trainer *trainer = NULL;
    assert_int_equal(trainer_create(&plan, &config, data, team, &trainer, NULL), OK);
    enum trainer_event event = TRAINER_STEP;
    enum status status = OK;
    struct error err = {0};
    char before[65] = "", after[65];
    while (status == OK && event != TRAINER_DONE) {
        digest_of(trainer, before);
        status = trainer_advance(trainer, &event, &err);
    }
    assert_int_equal(status, ERR_DIVERGED);
    assert_non_null(strstr(err.message, "lower learning rate"));
    digest_of(trainer, after);
    assert_string_equal(after, before);
    trainer_free(trainer);
    dataset_unref(data);
    thread_team_free(team);
}

/* Every option that keeps state of its own beside the weights, interrupted after each piece of work. */
static struct train_config everything_on(void)
{
    struct train_config config = short_run();
    config.epochs = 4;
    config.schedule = SCHEDULE_COSINE;
    config.warmup = 0.2;
    config.label_smoothing = 0.1;
    config.ema_decay = 0.9;
    config.patience = 2;
    config.augmentation = (struct augmentation){
        .rotation = 10, .shift = 1, .scale = 0.1, .shear = 0.1, .elastic = 1, .thickness = 0.3};
    return config;
}

static void resume_is_exact_with_every_option_on(void **state)
{
    (void)state;
    char expected[65], digest[65], path[] = "/tmp/test_trainer_XXXXXX";
    close(mkstemp(path));
    struct dataset *data = bars_dataset(IMAGES);
    struct thread_team *team = team_of(2);
    struct train_config config = everything_on();
    struct trainer *trainer = new_trainer(&config, data, team);
    run_to_the_end(trainer);
    digest_of(trainer, expected);
    trainer_free(trainer);

    trainer = new_trainer(&config, data, team);
    while (advance(trainer) != TRAINER_DONE) {
        assert_int_equal(trainer_save(trainer, path, NULL), OK);
        trainer_free(trainer);
        trainer = NULL;
        assert_int_equal(trainer_load(path, data, team, &trainer, NULL), OK);
    }
    digest_of(trainer, digest);
    assert_string_equal(digest, expected);
    trainer_free(trainer);
    thread_team_free(team);
    dataset_unref(data);
    unlink(path);
}

/* Each option alone makes a difference to the weights, so that none is read and forgotten. */
static void every_option_changes_the_weights(void **state)
{
    (void)state;
    struct train_config configs[8];
    for (size_t i = 0; i < 8; i++)
        configs[i] = short_run();
    configs[1].schedule = SCHEDULE_COSINE;
    configs[2].warmup = 0.5;
    configs[3].label_smoothing = 0.1;
    configs[4].ema_decay = 0.9;
    configs[5].augmentation.rotation = 5;
    configs[6].beta_1 = 0.8;
    configs[7].batch_size = 32;
    char digests[8][65];
    struct thread_team *team = team_of(1);
    struct dataset *data = bars_dataset(IMAGES);
    for (size_t i = 0; i < 8; i++) {
        struct trainer *trainer = new_trainer(&configs[i], data, team);
        run_to_the_end(trainer);
        digest_of(trainer, digests[i]);
        trainer_free(trainer);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(digests[i], digests[j]);
    }
    thread_team_free(team);
    dataset_unref(data);
}

/* The time that each layer took is there once somebody asks for it, and none before. */
static void shares_of_the_time_are_kept_on_request(void **state)
{
    (void)state;
    struct thread_team *team = team_of(2);
    struct dataset *data = bars_dataset(IMAGES);
    struct train_config config = short_run();
    struct trainer *trainer = new_trainer(&config, data, team);
    struct train_share shares[TRAIN_SHARES_MAX];
    struct error err;
    advance(trainer);
    size_t count = trainer_shares(trainer, shares);
    assert_in_range(count, 5, TRAIN_SHARES_MAX);
    for (size_t i = 0; i < count; i++)
        assert_true(shares[i].forward == 0 && shares[i].backward == 0);
    assert_int_equal(trainer_measure(trainer, &err), OK);
    advance(trainer);
    assert_int_equal(trainer_shares(trainer, shares), count);
    assert_string_equal(shares[0].name, "conv2d");
    for (size_t i = 0; i < count; i++)
        assert_true(shares[i].forward > 0 && (shares[i].backward > 0) == (i + 4 < count));
    trainer_free(trainer);
    dataset_unref(data);
    thread_team_free(team);
}

/* With patience, what is kept is the epoch with the lowest validation loss, and the run ends when it is long past. */
static void patience_ends_a_run_and_keeps_its_best_epoch(void **state)
{
    (void)state;
    struct thread_team *team = team_of(2);
    struct dataset *data = bars_dataset(IMAGES);
    struct train_config config = short_run();
    config.epochs = 200;
    config.learning_rate = 0.05; /* unsteady: some epochs are worse than the one before */
    config.patience = 3;
    struct trainer *trainer = new_trainer(&config, data, team);
    char best[65] = "", kept[65];
    double lowest = INFINITY;
    int best_epoch = 0;
    for (enum trainer_event event; (event = advance(trainer)) != TRAINER_DONE;) {
        struct epoch_metrics metrics = trainer_last_epoch(trainer);
        if (event != TRAINER_EPOCH || !(metrics.validation_loss < lowest))
            continue;
        lowest = metrics.validation_loss;
        best_epoch = metrics.epoch;
        digest_of(trainer, best);
    }
    struct train_progress progress = trainer_progress(trainer);
    assert_true(progress.stopped_early);
    assert_int_equal(progress.epoch, best_epoch + 3);
    assert_int_equal(progress.best_epoch, best_epoch);
    digest_of(trainer, kept);
    assert_string_equal(kept, best);
    trainer_free(trainer);
    thread_team_free(team);
    dataset_unref(data);
}

static void fine_tuning_begins_with_the_weights_of_a_model(void **state)
{
    (void)state;
    struct thread_team *team = team_of(1);
    struct dataset *data = bars_dataset(IMAGES);
    struct train_config config = short_run();
    struct trainer *trainer = new_trainer(&config, data, team), *tuned = NULL;
    run_to_the_end(trainer);
    struct model *model = NULL;
    assert_int_equal(trainer_snapshot(trainer, &model, NULL), OK);
    assert_int_equal(trainer_create_from(model, &config, data, team, &tuned, NULL), OK);
    char before[65], after[65];
    digest_of(trainer, before);
    digest_of(tuned, after);
    assert_string_equal(before, after);
    double first_loss = trainer_last_epoch(trainer).train_loss;
    run_to_the_end(tuned);
    assert_true(trainer_last_epoch(tuned).train_loss < first_loss);
    model_unref(model);
    trainer_free(trainer);
    trainer_free(tuned);
    dataset_unref(data);
    thread_team_free(team);
}

static void recipes_are_found_by_name(void **state)
{
    (void)state;
    struct model_spec spec;
    struct train_config config, reference = train_config_default();
    struct error err = {0};
    for (size_t i = 0; recipe_name(i); i++) {
        struct model_plan plan;
        struct problems problems = {0};
        assert_int_equal(recipe_find(recipe_name(i), &spec, &config, &err), OK);
        assert_true(strlen(recipe_description(i)) > 20);
        assert_int_equal(model_plan_create(&spec, "", &plan, &problems), OK);
        assert_int_equal(plan.parameters, 889834);
    }
    assert_int_equal(recipe_find("reference", &spec, &config, &err), OK);
    assert_memory_equal(&config, &reference, sizeof config);
    assert_int_equal(recipe_find("slow", &spec, &config, &err), ERR_NOT_FOUND);
    assert_string_equal(err.message,
                        "no recipe is called \"slow\"; there are: reference, quick, best, drawings");
}

static void a_run_without_images_or_with_a_wrong_config_is_refused(void **state)
{
    (void)state;
    struct thread_team *team = team_of(1);
    struct dataset *data = bars_dataset(1);
    struct model_plan plan = plan_from_json(SMALL);
    struct train_config config = short_run();
    struct trainer *trainer = NULL;
    struct error err = {0};
    config.epochs = 0;
    assert_int_equal(trainer_create(&plan, &config, data, team, &trainer, &err), ERR_ARGUMENT);
    assert_string_equal(err.pointer, "/epochs");
    struct dataset *none = NULL;
    uint8_t nothing = 0;
    config = short_run();
    if (dataset_create(&nothing, &nothing, 0, &none, &err) == OK) {
        assert_int_equal(trainer_create(&plan, &config, none, team, &trainer, &err), ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "no image is left"));
    }
    assert_null(trainer);
    dataset_unref(none);
    dataset_unref(data);
    thread_team_free(team);
}

static void a_run_without_validation_says_so(void **state)
{
    (void)state;
    struct thread_team *team = team_of(1);
    struct dataset *data = bars_dataset(50);
    struct train_config config = short_run();
    config.validation_split = 0;
    config.epochs = 1;
    config.train_limit = 30;
    struct trainer *trainer = new_trainer(&config, data, team);
    assert_int_equal(trainer_progress(trainer).images_total, 30);
    assert_int_equal(advance(trainer), TRAINER_STEP);
    assert_int_equal(advance(trainer), TRAINER_EPOCH);
    assert_int_equal(advance(trainer), TRAINER_DONE);
    assert_true(isnan(trainer_last_epoch(trainer).validation_loss));
    trainer_free(trainer);
    dataset_unref(data);
    thread_team_free(team);
}

static void the_estimate_of_memory_grows_with_what_it_is_for(void **state)
{
    (void)state;
    struct model_plan small = plan_from_json("{\"preset\":\"small\"}"),
                      large = plan_from_json("{\"preset\":\"large\"}");
    struct train_config config = train_config_default(), wide = config;
    wide.batch_size = 256;
    assert_true(trainer_memory(&small, &config, 1) > small.parameters * 3 * sizeof(float));
    assert_true(trainer_memory(&large, &config, 1) > trainer_memory(&small, &config, 1));
    assert_true(trainer_memory(&small, &wide, 1) > trainer_memory(&small, &config, 1));
    assert_true(trainer_memory(&small, &config, 4) > trainer_memory(&small, &config, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_learns_and_reports_each_epoch),
        cmocka_unit_test(the_number_of_threads_never_changes_the_weights),
        cmocka_unit_test(another_seed_gives_other_weights),
        cmocka_unit_test(resume_gives_the_bytes_of_an_uninterrupted_run),
        cmocka_unit_test(a_checkpoint_of_another_dataset_is_refused),
        cmocka_unit_test(divergence_stops_the_run_and_keeps_the_last_finite_weights),
        cmocka_unit_test(resume_is_exact_with_every_option_on),
        cmocka_unit_test(every_option_changes_the_weights),
        cmocka_unit_test(shares_of_the_time_are_kept_on_request),
        cmocka_unit_test(patience_ends_a_run_and_keeps_its_best_epoch),
        cmocka_unit_test(fine_tuning_begins_with_the_weights_of_a_model),
        cmocka_unit_test(recipes_are_found_by_name),
        cmocka_unit_test(a_run_without_images_or_with_a_wrong_config_is_refused),
        cmocka_unit_test(a_run_without_validation_says_so),
        cmocka_unit_test(the_estimate_of_memory_grows_with_what_it_is_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
