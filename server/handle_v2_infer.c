/* POST /v2/models/{model}[/versions/{version}]/infer: inference by the Open Inference Protocol, with tensors in JSON or in
 * binary after it (Triton's extension "binary_tensor_data"). Clients take every status but 200 as a failure, and read
 * `error`; what is wrong with a request is always 400 here. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"
#include "server/input.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/tensor_call.h"
#include "server/tensor_json.h"
#include "server/v2.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "binary tensors are little-endian");

/* Numbers of a JSON tensor, and what is around them. */
#define VALUES_MAX ((size_t)TENSOR_IMAGES_MAX * (IMAGE_PIXELS + 64) + 1024)

/* Lists of more rows are written on a worker. */
#define QUICK_ROWS 64

/* As many digits as tell one FP32 from the next. */
#define DIGITS 9

/* What the JSON part says. */
struct inference {
    const json_t *data; /* NULL: binary */
    int64_t binary_size;
    struct tensor_shape shape;
    size_t count; /* images */
    bool binary_output;
};

static handler infer_on_worker;

/* ---- Reading the JSON --------------------------------------------------------------------------------- */

/* The length of the JSON at the start of the body: all of it without the header. */
static bool read_json_size(struct request *request, size_t *ret_size)
{
    size_t size;
    request_body(request, &size);
    const char *header = request_header(request, "Inference-Header-Content-Length");
    int64_t length = (int64_t)size;
    if (header && !input_parse_integer(header, 1, (int64_t)size, &length)) {
        reply_problem(
            request, PROBLEM_MALFORMED,
            "Inference-Header-Content-Length is \"%.40s\"; the length of the JSON at the start of the "
            "body is expected, 1 to %zu.",
            header, size);
        return false;
    }
    *ret_size = (size_t)length;
    return true;
}

/* The member's object; NULL when it is absent, and with a problem when it is something else. */
static const json_t *read_object(const json_t *object, const char *pointer, const char *field,
                                 struct problems *problems)
{
    const json_t *value = json_object_get(object, field);
    char path[64];
    if (!value || json_is_object(value))
        return value;
    snprintf(path, sizeof path, "%s/%s", pointer, field);
    problems_add(problems, ERR_FORMAT, path, "expected an object");
    return NULL;
}

static void read_shape(const json_t *input, struct inference *inference, struct problems *problems)
{
    const json_t *shape = json_object_get(input, "shape"), *dim;
    char text[TENSOR_SHAPE_TEXT];
    size_t i;
    if (!json_is_array(shape) || json_array_size(shape) > TENSOR_RANK_MAX) {
        problems_add(problems, ERR_FORMAT, "/inputs/0/shape", "expected a shape as [n,1,28,28]");
        return;
    }
    json_array_foreach(shape, i, dim)
    {
        json_int_t length = json_integer_value(dim);
        inference->shape.dims[inference->shape.rank++] = length > 0 ? (size_t)length : 0;
    }
    tensor_shape_format(&inference->shape, text);
    if (!tensor_shape_is_images(&inference->shape, &inference->count))
        problems_add(problems, ERR_FORMAT, "/inputs/0/shape", "%s does not fit the model's [-1,1,28,28]",
                     text);
    else if (inference->count < 1 || inference->count > TENSOR_IMAGES_MAX)
        problems_add(problems, ERR_FORMAT, "/inputs/0/shape", "%s: a batch has 1 to %d images", text,
                     TENSOR_IMAGES_MAX);
}

static void expect_text(const json_t *object, const char *pointer, const char *field, const char *expected,
                        struct problems *problems)
{
    const char *text = json_string_value(json_object_get(object, field));
    char path[64];
    snprintf(path, sizeof path, "%s/%s", pointer, field);
    if (!text)
        problems_add(problems, ERR_FORMAT, path, "expected \"%s\"", expected);
    else if (strcmp(text, expected) != 0)
        problems_add(problems, ERR_FORMAT, path, "expected \"%s\", found \"%.60s\"", expected, text);
}

static void read_input(const json_t *message, struct inference *inference, struct problems *problems)
{
    const json_t *inputs = json_object_get(message, "inputs"), *input = json_array_get(inputs, 0);
    if (json_array_size(inputs) != 1 || !json_is_object(input)) {
        problems_add(problems, ERR_FORMAT, "/inputs", "expected a list of one input, \"" V2_INPUT "\"");
        return;
    }
    const json_t *parameters = read_object(input, "/inputs/0", "parameters", problems);
    expect_text(input, "/inputs/0", "name", V2_INPUT, problems);
    expect_text(input, "/inputs/0", "datatype", V2_DATATYPE, problems);
    read_shape(input, inference, problems);
    inference->data = json_object_get(input, "data");
    inference->binary_size = -1;
    input_integer(parameters, "/inputs/0/parameters", "binary_data_size", 0, INT64_MAX,
                  &inference->binary_size, problems);
    if (json_object_get(parameters, "shared_memory_region"))
        problems_add(problems, ERR_FORMAT, "/inputs/0/parameters/shared_memory_region",
                     "shared memory is not offered");
    else if ((inference->data != NULL) == (inference->binary_size >= 0))
        problems_add(problems, ERR_FORMAT, "/inputs/0/data",
                     "expected either data or parameters.binary_data_size");
}

static void read_output(const json_t *output, size_t index, struct inference *inference,
                        struct problems *problems)
{
    char pointer[48];
    snprintf(pointer, sizeof pointer, "/outputs/%zu", index);
    expect_text(output, pointer, "name", V2_OUTPUT, problems);
    const json_t *parameters = read_object(output, pointer, "parameters", problems);
    snprintf(pointer, sizeof pointer, "/outputs/%zu/parameters", index);
    input_boolean(parameters, pointer, "binary_data", &inference->binary_output, problems);
    if (json_object_get(parameters, "classification"))
        problems_add(problems, ERR_FORMAT, pointer, "classification is not offered");
    if (json_object_get(parameters, "shared_memory_region"))
        problems_add(problems, ERR_FORMAT, pointer, "shared memory is not offered");
}

static void read_outputs(const json_t *message, struct inference *inference, struct problems *problems)
{
    const json_t *outputs = json_object_get(message, "outputs"), *output;
    size_t i;
    input_boolean(read_object(message, "", "parameters", problems), "/parameters", "binary_data_output",
                  &inference->binary_output, problems);
    if (outputs && (!json_is_array(outputs) || json_array_size(outputs) > 1))
        problems_add(problems, ERR_FORMAT, "/outputs", "expected a list of one output, \"" V2_OUTPUT "\"");
    json_array_foreach(outputs, i, output)
    {
        read_output(output, i, inference, problems);
    }
}

static bool read_message(struct request *request, const json_t *message, struct inference *ret_inference)
{
    struct problems problems = {0};
    struct inference inference = {0};
    const char *id = "";
    input_string(message, "", "id", &id, &problems);
    read_input(message, &inference, &problems);
    read_outputs(message, &inference, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return false;
    }
    *ret_inference = inference;
    return true;
}

/* ---- Reading the images ------------------------------------------------------------------------------- */

/* Where they are, if they may be used as they are; else a copy that the call owns. Floats that do not begin at a
 * multiple of four must be moved. */
static const float *place_binary(struct tensor_call *call, const uint8_t *bytes, size_t size)
{
    if ((uintptr_t)bytes % sizeof(float) == 0)
        return (const float *)(const void *)bytes;
    call->pixels = malloc(size);
    if (!call->pixels)
        return NULL;
    return memcpy(call->pixels, bytes, size);
}

static bool all_finite(const float *numbers, size_t count)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++)
        finite &= (bool)isfinite(numbers[i]);
    return finite;
}

static const float *read_binary(struct tensor_call *call, const struct inference *inference, size_t json_size)
{
    struct request *request = call->request;
    size_t size, expected = inference->count * IMAGE_PIXELS * sizeof(float);
    const uint8_t *body = request_body(request, &size);
    if ((size_t)inference->binary_size != expected || size - json_size != expected) {
        reply_problem(
            request, PROBLEM_MALFORMED,
            "The input has %zu images of %zu bytes; binary_data_size is %lld, and %zu bytes follow the "
            "JSON.",
            inference->count, IMAGE_PIXELS * sizeof(float), (long long)inference->binary_size,
            size - json_size);
        return NULL;
    }
    const float *images = place_binary(call, body + json_size, expected);
    if (!images)
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for this prediction at the moment.");
    else if (all_finite(images, inference->count * IMAGE_PIXELS))
        return images;
    else
        reply_problem(request, PROBLEM_MALFORMED, "The input holds numbers that are not finite.");
    return NULL;
}

/* Data is flat, or nested as the shape says. */
static enum status read_data(const struct inference *inference, float *pixels, struct error *err)
{
    const struct tensor_shape flat = {1, {inference->count * IMAGE_PIXELS}};
    struct tensor_shape shape;
    enum status status = tensor_json_shape(inference->data, &shape, err);
    if (status != OK)
        return status;
    return tensor_json_read(inference->data, shape.rank <= 1 ? &flat : &inference->shape, "/inputs/0/data",
                            pixels, err);
}

static const float *read_images(struct tensor_call *call, const struct inference *inference, size_t json_size)
{
    struct error err;
    if (!inference->data)
        return read_binary(call, inference, json_size);
    call->pixels = malloc(inference->count * IMAGE_PIXELS * sizeof *call->pixels);
    enum status status = call->pixels ? read_data(inference, call->pixels, &err)
                                      : error_set(&err, ERR_MEMORY, "no memory for the images");
    if (status == OK)
        return call->pixels;
    reply_error(call->request, &err);
    return NULL;
}

/* ---- Reply -------------------------------------------------------------------------------------------- */

/* JSON, and the numbers behind it. */
static void reply_binary(struct request *request, const json_t *message, const float *numbers, size_t count)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    size_t length = text ? strlen(text) : 0, size = count * sizeof *numbers;
    char *body = text ? realloc(text, length + size) : NULL;
    if (!body) {
        free(text);
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for the answer at the moment.");
        return;
    }
    memcpy(body + length, numbers, size);
    reply_header(request, "Inference-Header-Content-Length", "%zu", length);
    reply_bytes_take(request, 200, "application/octet-stream", body, length + size);
}

static void reply_inference(struct app *app, struct request *request)
{
    (void)app;
    const struct tensor_call *call = tensor_call_answered(request);
    if (!call)
        return;
    size_t rows = call->prediction.count;
    json_t *output = json_pack("{s:s, s:s, s:[I,i]}", "name", V2_OUTPUT, "datatype", V2_DATATYPE, "shape",
                               (json_int_t)rows, CLASSES);
    if (call->binary)
        json_object_set_new(output, "parameters",
                            json_pack("{s:I}", "binary_data_size",
                                      (json_int_t)(rows * CLASSES * sizeof *call->probabilities)));
    else
        json_object_set_new(output, "data", tensor_json_write(call->probabilities, rows, CLASSES, false));
    json_t *message = json_pack("{s:s, s:o, s:[o]}", "model_name", call->served->name, "model_version",
                                v2_version_to_json(call->served->version), "outputs", output);
    json_t *id = json_object_get(call->message, "id");
    if (id)
        json_object_set(message, "id", id);
    if (!call->binary) {
        reply_json_digits(request, 200, message, DIGITS);
        return;
    }
    reply_binary(request, message, call->probabilities, rows * CLASSES);
    json_decref(message);
}

static void reply_rows(struct app *app, struct request *request)
{
    (void)app;
    request_move_to_worker(request, reply_inference);
}

/* ---- Request ------------------------------------------------------------------------------------------ */

static void predict(struct app *app, struct tensor_call *call, size_t json_size)
{
    struct request *request = call->request;
    struct inference inference;
    struct error err;
    size_t size;
    const uint8_t *body = request_body(request, &size);
    if (input_json_parse_upto(body, json_size, VALUES_MAX, &call->message, &err) != OK)
        reply_error(request, &err);
    else if (!json_is_object(call->message))
        reply_problem(request, PROBLEM_MALFORMED, "The body is JSON, but not an object.");
    else if (read_message(request, call->message, &inference)) {
        const float *images = read_images(call, &inference, json_size);
        json_object_del(call->message, "inputs"); /* 40 bytes a number: not to be kept in the queue */
        bool long_list = !inference.binary_output && inference.count > QUICK_ROWS;
        call->binary = inference.binary_output;
        if (images)
            tensor_call_predict(app, call, images, inference.count, long_list ? reply_rows : reply_inference);
    }
}

static void infer(struct app *app, struct request *request, bool may_block)
{
    struct model_choice choice;
    size_t json_size;
    if (!tensor_call_read_model(request, &choice) || !read_json_size(request, &json_size))
        return;
    struct served_model *served = model_choice_find(app, &choice);
    bool slow = json_size > TENSOR_JSON_QUICK || (!served && model_choice_may_be_stored(&choice));
    if (slow && !may_block) {
        served_model_unref(served);
        request_move_to_worker(request, infer_on_worker);
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
    predict(app, call, json_size);
}

static void infer_on_worker(struct app *app, struct request *request)
{
    infer(app, request, true);
}

void handle_v2_infer(struct app *app, struct request *request)
{
    infer(app, request, false);
}
