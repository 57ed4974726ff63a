/* The services around training jobs, real ones on a store and a dataset in a scratch folder, and what tests do with jobs.
 * Failures here fail the running test. */
#ifndef DIGITD_TESTS_JOB_SERVICES_H
#define DIGITD_TESTS_JOB_SERVICES_H

#include "server/app.h"
#include "server/job_runner.h"
#include "server/jobs.h"
#include "server/predict.h"
#include "server/store.h"

/* ---- Services -------------------------------------------------------------------------------------- */

/* For cmocka: the engine, once; and for each test services without a runner, and a dataset "tiny" of 100 and 40 images. */
int services_start_engine(void **state);
int services_setup(void **state);
int services_teardown(void **state);

struct app *services(void);

/* Starts the services anew, for so many jobs at once. */
void run_at_once(int jobs);

void start_services(size_t queue_limit);
void stop_services(void);
void start_runner(void);
void stop_runner(void);

/* ---- Jobs ------------------------------------------------------------------------------------------ */

#define SMALL_MODEL                                                                                          \
    "\"model\":{\"layers\":[{\"type\":\"conv2d\",\"filters\":4,\"kernel_size\":3},"                          \
    "{\"type\":\"max_pool2d\",\"pool_size\":4},{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":10}]}"

/* Of some tenths of a second: there is time to interrupt it. */
#define LONG_JOB    "{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":60,\"batch_size\":8}}"
#define SHORT_JOB   "{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":3,\"batch_size\":8}}"
#define ENDLESS_JOB "{\"dataset\":\"tiny\"," SMALL_MODEL ",\"training\":{\"epochs\":1000,\"batch_size\":1}}"

/* Queues a job; the request must be right. */
enum job_insert_result submit_keyed(const char *text, const char *key, char id[JOB_ID_LENGTH + 1]);
void submit(const char *text, char id[JOB_ID_LENGTH + 1]);

struct job_view view_of(const char *id);
enum job_state state_of(const char *id);
enum job_change change(const char *id, enum job_state to);

/* Looks every 2 ms until `is_so`; a test that waits for a minute has failed. */
void wait_until(bool (*is_so)(const char *id), const char *id);
bool is_over(const char *id);
bool is_in_third_epoch(const char *id);
bool has_no_checkpoint(const char *id);

/* For scratch_exists; valid until the next call. */
const char *checkpoint_of(const char *id);

/* The job failed with this code, its detail says this, and it left no checkpoint. */
void assert_failed(const char *id, const char *code, const char *in_detail);

/* The caller clears it. */
struct version_record version_of(const char *model, int version);

/* Of two versions of "digits". */
void assert_same_weights(int first, int second);

#endif
