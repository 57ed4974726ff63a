/* Training jobs for API tests. Failures here fail the running test. */
#ifndef DIGITD_TESTS_TRAINING_H
#define DIGITD_TESTS_TRAINING_H

#include "tests/api/harness.h"

#define JOB_ID_SIZE 21

/* A network of 810 parameters. */
#define TINY_MODEL                                                                                           \
    "\"model\":{\"layers\":[{\"type\":\"conv2d\",\"filters\":8,\"kernel_size\":3,\"activation\":\"relu\"},"  \
    "{\"type\":\"max_pool2d\",\"pool_size\":4},{\"type\":\"max_pool2d\",\"pool_size\":2},"                   \
    "{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":10}]}"

/* Done in a moment. */
#define QUICK_JOB "{" TINY_MODEL ",\"training\":{\"epochs\":2,\"train_limit\":500}}"

/* Goes on until it is cancelled. */
#define ENDLESS_JOB "{" TINY_MODEL ",\"training\":{\"epochs\":1000}}"

/* Posts a job and expects that it is taken. */
void start_job(const struct server *server, const char *json, char ret_id[JOB_ID_SIZE]);

/* Asks for the job until it has this state, or another that it will not leave, which fails the test. */
const struct response *wait_for_state(const struct server *server, const char *id, const char *state);

/* Asks for the job until its progress says that this epoch is under way. */
void wait_for_epoch(const struct server *server, const char *id, int epoch);

const struct response *get_job(const struct server *server, const char *id);
const struct response *cancel_job(const struct server *server, const char *id);

/* A string in a body; fails the test when there is none. */
const char *text_at(const struct response *response, const char *pointer);
long long integer_at(const struct response *response, const char *pointer);

#endif
