/* GET /livez, /readyz, /api/v1/version: for those who run the server, and for what watches it. */
#include <jansson.h>

#include "server/app.h"
#include "server/handlers.h"
#include "server/predict.h"
#include "server/problem.h"
#include "server/reply.h"

void handle_livez(struct app *app, struct request *request)
{
    (void)app;
    reply_json(request, 200, json_pack("{s:s}", "status", "alive"));
}

/* Ready means that requests are answered; without a model, predictions are answered with 503. */
void handle_readyz(struct app *app, struct request *request)
{
    if (request_server_stops(request)) {
        reply_problem(request, PROBLEM_STOPPING, "The server is shutting down.");
        return;
    }
    struct served_model *served = predict_model_default(app->predictions, PREDICT_DEFAULT_NAME);
    const char *detail = !served           ? "no model yet: predictions need one"
                         : served->version ? "a model is in production"
                                           : "predictions use a model in training";
    served_model_unref(served);
    reply_json(request, 200, json_pack("{s:s, s:s}", "status", "ready", "detail", detail));
}

void handle_version(struct app *app, struct request *request)
{
    (void)app;
    reply_json(request, 200,
               json_pack("{s:s, s:s, s:s, s:s}", "version", DIGITD_VERSION, "core_type", engine_core_type(),
                         "instruction_set", engine_instruction_set(), "blas_version", engine_blas_version()));
}
