#include "server/tensor_call.h"

#include <limits.h>
#include <stdlib.h>

#include "server/app.h"
#include "server/input.h"
#include "server/names.h"
#include "server/problem.h"
#include "server/reply.h"

static void call_free(void *context)
{
    struct tensor_call *call = context;
    served_model_unref(call->served);
    json_decref(call->message);
    free(call->pixels);
    free(call->probabilities);
    free(call);
}

struct tensor_call *tensor_call_create(struct request *request)
{
    struct tensor_call *call = calloc(1, sizeof *call);
    if (!call) {
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for this prediction at the moment.");
        return NULL;
    }
    call->request = request;
    request_set_context(request, call, call_free);
    return call;
}

static void prediction_done(struct prediction *prediction)
{
    request_resume(((struct tensor_call *)prediction)->request);
}

static bool client_left(const struct prediction *prediction)
{
    return request_client_left(((const struct tensor_call *)prediction)->request);
}

void tensor_call_predict(struct app *app, struct tensor_call *call, const float *images, size_t count,
                         handler *reply)
{
    struct request *request = call->request;
    call->probabilities = malloc(count * CLASSES * sizeof *call->probabilities);
    if (!call->probabilities) {
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for this prediction at the moment.");
        return;
    }
    call->prediction = (struct prediction){.served = call->served,
                                           .count = count,
                                           .images = images,
                                           .probabilities = call->probabilities,
                                           .done = prediction_done,
                                           .is_abandoned = client_left};
    if (predict_now(app->predictions, &call->prediction)) {
        reply(app, request);
        return;
    }
    request_suspend(request, reply);
    if (!predict_submit(app->predictions, &call->prediction)) {
        call->refused = true;
        request_resume(request);
    }
}

bool reply_prediction_failed(struct request *request, const struct prediction *prediction, bool refused)
{
    if (refused) {
        reply_header(request, "Retry-After", "1");
        reply_problem(request, PROBLEM_BUSY, "Too many predictions are waiting.");
    } else if (prediction->abandoned) {
        reply_problem(request, PROBLEM_CLIENT_LEFT,
                      "The connection was closed before the prediction's turn.");
    } else if (prediction->status != OK) {
        reply_problem(request, PROBLEM_OVERLOADED, "The model could not be made ready to run.");
    } else {
        return false;
    }
    return true;
}

const struct tensor_call *tensor_call_answered(struct request *request)
{
    const struct tensor_call *call = request_context(request);
    return reply_prediction_failed(request, &call->prediction, call->refused) ? NULL : call;
}

bool tensor_call_read_model(struct request *request, struct model_choice *ret_choice)
{
    const char *version = request_param(request, "version");
    struct model_choice choice = {
        .name = request_param(request, "model"), .named = true, .alias = request_param(request, "label")};
    if (!name_is_valid(choice.name)) {
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such model: a name is " NAME_RULE ".");
        return false;
    }
    if (version && !input_parse_integer(version, 1, INT_MAX, &choice.version)) {
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such version: versions are 1, 2, 3 and on.");
        return false;
    }
    *ret_choice = choice;
    return true;
}
