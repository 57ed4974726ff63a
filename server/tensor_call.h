/* A prediction for a tensor of images, from the request that brings it to the reply: what the Open Inference Protocol and
 * TensorFlow Serving share. The protocols read requests and write replies.
 *
 * A call belongs to its request and is freed with it. */
#ifndef DIGITD_TENSOR_CALL_H
#define DIGITD_TENSOR_CALL_H

#include <jansson.h>

#include "server/http.h"
#include "server/model_choice.h"
#include "server/predict.h"

#define TENSOR_IMAGES_MAX 256 /* a request */

/* JSON from this size on is read on a worker. */
#define TENSOR_JSON_QUICK ((size_t)32 << 10)

struct tensor_call {
    struct prediction prediction; /* first: `done` gets the call by it */
    struct request *request;
    struct served_model *served; /* owned */
    json_t *message;             /* the request's JSON, or NULL; owned */
    float *pixels;               /* [count][28][28], owned; NULL while they are in the request's body */
    float *probabilities;        /* [count][10], owned */
    bool refused;                /* the queue was full */
    bool columns, binary;        /* how the protocol wants the answer */
};

/* Attaches a call to the request. Writes a reply and returns NULL without memory. */
struct tensor_call *tensor_call_create(struct request *request);

/* Predicts `count` images at `images`, which lives as long as the call, with `call->served`. `reply` is called when the
 * probabilities are there; not, when a failure has been replied. The caller touches the call no more. */
void tensor_call_predict(struct app *app, struct tensor_call *call, const float *images, size_t count,
                         handler *reply);

/* The call of a request whose probabilities are there; NULL after the reply to a failure was written. `reply` begins
 * with it. */
const struct tensor_call *tensor_call_answered(struct request *request);

/* Writes the reply to a prediction that came to nothing and returns true; false when it has probabilities. `refused`: the
 * queue was full. */
bool reply_prediction_failed(struct request *request, const struct prediction *prediction, bool refused);

/* The model in the path, {model}, and its version or label (an alias); false after the reply is written: 404. */
bool tensor_call_read_model(struct request *request, struct model_choice *ret_choice);

#endif
