/* GET /v1/models/{model}[/versions/{version}|/labels/{label}][/metadata], POST …:predict: TensorFlow Serving's REST API.
 * Labels are aliases. Without either, a prediction gets what is in production. What is wrong with a request is 400. */
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/model_catalogue.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/tensor_call.h"
#include "server/tensor_json.h"

#define INPUT     "image"
#define OUTPUT    "probabilities"
#define SIGNATURE "serving_default"

#define VALUES_MAX ((size_t)TENSOR_IMAGES_MAX * (IMAGE_PIXELS + 64) + 1024)
#define QUICK_ROWS 64 /* longer lists are written on a worker */
#define DIGITS     9  /* tell one float from the next */

static handler predict_on_worker;

/* ---- Status and metadata ------------------------------------------------------------------------------- */

/* The versions that the path names; false after the reply is written. The caller frees the array. */
static bool read_versions(struct app *app, struct request *request, struct catalogue_entry **ret_entries,
                          size_t *ret_count)
{
    struct model_choice choice;
    struct error err;
    if (!tensor_call_read_model(request, &choice))
        return false;
    if (choice.alias) {
        struct served_model *served = model_choice_load(app, request, &choice);
        if (!served)
            return false;
        choice.version = served->version;
        served_model_unref(served);
    }
    if (model_catalogue_list(app, choice.name, (int)choice.version, ret_entries, ret_count, &err) == OK)
        return true;
    reply_error(request, &err);
    return false;
}

static json_t *version_to_json(int version)
{
    char text[16];
    snprintf(text, sizeof text, "%d", version);
    return json_string(text);
}

void handle_tfs_status(struct app *app, struct request *request)
{
    struct catalogue_entry *entries;
    size_t count;
    if (!read_versions(app, request, &entries, &count))
        return;
    json_t *list = json_array();
    for (size_t i = count; i-- > 0;) /* the newest first */
        json_array_append_new(list, json_pack("{s:o, s:s, s:{s:s, s:s}}", "version",
                                              version_to_json(entries[i].version), "state", "AVAILABLE",
                                              "status", "error_code", "OK", "error_message", ""));
    free(entries);
    reply_json(request, 200, json_pack("{s:o}", "model_version_status", list));
}

/* A tensor's description; sizes are strings there, as protobuf writes int64 in JSON. */
static json_t *tensor_to_json(const char *name, size_t rank, const char *const *dims)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rank; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "size", dims[i], "name", ""));
    return json_pack("{s:{s:s, s:{s:o, s:b}, s:s}}", name, "dtype", "DT_FLOAT", "tensor_shape", "dim", list,
                     "unknown_rank", false, "name", name);
}

void handle_tfs_metadata(struct app *app, struct request *request)
{
    static const char *const input[] = {"-1", "1", "28", "28"}, *const output[] = {"-1", "10"};
    struct catalogue_entry *entries;
    size_t count;
    if (!read_versions(app, request, &entries, &count))
        return;
    int version = count ? entries[count - 1].version : 0;
    free(entries);
    reply_json(request, 200,
               json_pack("{s:{s:s, s:s, s:o}, s:{s:{s:{s:{s:o, s:o, s:s}}}}}", "model_spec", "name",
                         request_param(request, "model"), "signature_name", "", "version",
                         version_to_json(version), "metadata", "signature_def", "signature_def", SIGNATURE,
                         "inputs", tensor_to_json(INPUT, 4, input), "outputs",
                         tensor_to_json(OUTPUT, 2, output), "method_name", "tensorflow/serving/predict"));
}

/* ---- Reading the images ---------------------------------------------------------------------------------- */

static enum status fault(struct error *err, const char *pointer, const char *format, ...) PRINTF_LIKE(3, 4);

static enum status fault(struct error *err, const char *pointer, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(err, ERR_FORMAT, "%s", text);
    snprintf(err->pointer, sizeof err->pointer, "%s", pointer);
    return ERR_FORMAT;
}

/* The tensors of [{"image": tensor}, …] as one; what is no such list stays what it is. A new reference. */
static json_t *gather_instances(json_t *instances)
{
    json_t *instance, *tensors = json_array();
    size_t i;
    json_array_foreach(instances, i, instance)
    {
        json_t *tensor = json_object_get(instance, INPUT);
        if (!tensor || json_object_size(instance) != 1 || json_array_append(tensors, tensor) != 0) {
            json_decref(tensors);
            return json_incref(instances);
        }
    }
    return tensors;
}

static enum status read_tensor(struct tensor_call *call, const json_t *tensor, const char *pointer,
                               size_t *ret_count, struct error *err)
{
    struct tensor_shape shape;
    char text[TENSOR_SHAPE_TEXT];
    size_t count;
    enum status status = tensor_json_shape(tensor, &shape, err);
    if (status != OK)
        return status;
    tensor_shape_format(&shape, text);
    if (!tensor_shape_is_images(&shape, &count))
        return fault(err, pointer, "expected images of shape [n,1,28,28], found %s", text);
    if (count < 1 || count > TENSOR_IMAGES_MAX)
        return fault(err, pointer, "%s: a request has 1 to %d images", text, TENSOR_IMAGES_MAX);
    call->pixels = malloc(count * IMAGE_PIXELS * sizeof *call->pixels);
    if (!call->pixels)
        return error_set(err, ERR_MEMORY, "no memory for the images");
    *ret_count = count;
    return tensor_json_read(tensor, &shape, pointer, call->pixels, err);
}

static enum status read_images(struct tensor_call *call, size_t *ret_count, struct error *err)
{
    json_t *instances = json_object_get(call->message, "instances"),
           *inputs = json_object_get(call->message, "inputs"),
           *signature = json_object_get(call->message, "signature_name");
    const char *name = signature ? json_string_value(signature) : SIGNATURE;
    if (!name || (*name && strcmp(name, SIGNATURE) != 0))
        return fault(err, "/signature_name", "the only signature is \"" SIGNATURE "\"");
    if (!instances == !inputs)
        return fault(err, "", "expected either instances (rows) or inputs (columns)");
    call->columns = inputs;
    if (instances) {
        json_t *rows = gather_instances(instances);
        enum status status = read_tensor(call, rows, "/instances", ret_count, err);
        json_decref(rows);
        return status;
    }
    if (!json_is_object(inputs))
        return read_tensor(call, inputs, "/inputs", ret_count, err);
    if (json_object_size(inputs) != 1 || !json_object_get(inputs, INPUT))
        return fault(err, "/inputs", "the only input is \"" INPUT "\"");
    return read_tensor(call, json_object_get(inputs, INPUT), "/inputs/" INPUT, ret_count, err);
}

/* ---- Prediction -------------------------------------------------------------------------------------------- */

static void reply_predictions(struct app *app, struct request *request)
{
    (void)app;
    const struct tensor_call *call = tensor_call_answered(request);
    if (call)
        reply_json_digits(
            request, 200,
            json_pack("{s:o}", call->columns ? "outputs" : "predictions",
                      tensor_json_write(call->probabilities, call->prediction.count, CLASSES, true)),
            DIGITS);
}

static void reply_rows(struct app *app, struct request *request)
{
    (void)app;
    request_move_to_worker(request, reply_predictions);
}

static void predict(struct app *app, struct tensor_call *call)
{
    struct request *request = call->request;
    struct error err;
    size_t size, count;
    const uint8_t *body = request_body(request, &size);
    enum status status = input_json_parse_upto(body, size, VALUES_MAX, &call->message, &err);
    if (status == OK && !json_is_object(call->message)) {
        reply_problem(request, PROBLEM_MALFORMED, "The body is JSON, but not an object.");
        return;
    }
    if (status == OK)
        status = read_images(call, &count, &err);
    json_decref(call->message); /* 40 bytes a number: not to be kept in the queue */
    call->message = NULL;
    if (status == OK)
        tensor_call_predict(app, call, call->pixels, count,
                            count > QUICK_ROWS ? reply_rows : reply_predictions);
    else
        reply_error(request, &err);
}

static void predict_when_found(struct app *app, struct request *request, bool may_block)
{
    struct model_choice choice;
    size_t size;
    request_body(request, &size);
    if (!tensor_call_read_model(request, &choice))
        return;
    struct served_model *served = model_choice_find(app, &choice);
    bool slow = size > TENSOR_JSON_QUICK || (!served && model_choice_may_be_stored(&choice));
    if (slow && !may_block) {
        served_model_unref(served);
        request_move_to_worker(request, predict_on_worker);
        return;
    }
    if (!served)
        served = model_choice_load(app, request, &choice);
    struct tensor_call *call = served ? tensor_call_create(request) : NULL;
    if (!call) {
        served_model_unref(served);
        return;
    }
    call->served = served;
    predict(app, call);
}

static void predict_on_worker(struct app *app, struct request *request)
{
    predict_when_found(app, request, true);
}

void handle_tfs_predict(struct app *app, struct request *request)
{
    predict_when_found(app, request, false);
}
