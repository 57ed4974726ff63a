#include "server/tensor_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Shapes ----------------------------------------------------------------------------------------- */

void tensor_shape_format(const struct tensor_shape *shape, char ret_text[TENSOR_SHAPE_TEXT])
{
    size_t length = 0;
    for (size_t i = 0; i < shape->rank; i++)
        length += (size_t)snprintf(ret_text + length, TENSOR_SHAPE_TEXT - length, "%c%zu", i ? ',' : '[',
                                   shape->dims[i]);
    snprintf(ret_text + length, TENSOR_SHAPE_TEXT - length, "%s", shape->rank ? "]" : "[]");
}

bool tensor_shape_is_images(const struct tensor_shape *shape, size_t *ret_count)
{
    static const struct tensor_shape forms[] = {{4, {0, 1, IMAGE_SIDE, IMAGE_SIDE}},
                                                {4, {0, IMAGE_SIDE, IMAGE_SIDE, 1}},
                                                {3, {0, IMAGE_SIDE, IMAGE_SIDE}},
                                                {2, {0, IMAGE_PIXELS}}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t rank = forms[i].rank;
        if (shape->rank == rank &&
            memcmp(shape->dims + 1, forms[i].dims + 1, (rank - 1) * sizeof *shape->dims) == 0) {
            *ret_count = shape->dims[0];
            return true;
        }
    }
    return false;
}

enum status tensor_json_shape(const json_t *json, struct tensor_shape *ret_shape, struct error *err)
{
    struct tensor_shape shape = {.rank = 0};
    for (; json_is_array(json); json = json_array_get(json, 0)) {
        if (shape.rank == TENSOR_RANK_MAX)
            return error_set(err, ERR_FORMAT, "lists are nested deeper than %d levels", TENSOR_RANK_MAX);
        shape.dims[shape.rank++] = json_array_size(json);
    }
    *ret_shape = shape;
    return OK;
}

/* ---- Numbers ---------------------------------------------------------------------------------------- */

/* Where the reader is, for messages. */
struct reader {
    const struct tensor_shape *shape;
    const char *pointer;
    size_t index[TENSOR_RANK_MAX];
    float *next;
};

static enum status PRINTF_LIKE(4, 5)
    fault(const struct reader *reader, size_t depth, struct error *err, const char *format, ...)
{
    char text[200], path[sizeof err->pointer];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t length = (size_t)snprintf(path, sizeof path, "%s", reader->pointer);
    for (size_t i = 0; i < depth && length < sizeof path; i++)
        length += (size_t)snprintf(path + length, sizeof path - length, "/%zu", reader->index[i]);
    error_set(err, ERR_FORMAT, "%s", text);
    if (err)
        memcpy(err->pointer, path, sizeof path);
    return ERR_FORMAT;
}

static enum status read_number(struct reader *reader, size_t depth, const json_t *json, struct error *err)
{
    float number = (float)json_number_value(json);
    if (!json_is_number(json))
        return fault(reader, depth, err, "expected a number");
    if (!isfinite(number))
        return fault(reader, depth, err, "the number is too large for FP32");
    *reader->next++ = number;
    return OK;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the shape's rank */
static enum status read_level(struct reader *reader, size_t depth, const json_t *json, struct error *err)
{
    if (depth == reader->shape->rank)
        return read_number(reader, depth, json, err);
    size_t expected = reader->shape->dims[depth];
    if (!json_is_array(json))
        return fault(reader, depth, err, "expected a list of %zu", expected);
    if (json_array_size(json) != expected)
        return fault(reader, depth, err, "expected a list of %zu, found one of %zu", expected,
                     json_array_size(json));
    enum status status = OK;
    for (size_t i = 0; i < expected && status == OK; i++) {
        reader->index[depth] = i;
        status = read_level(reader, depth + 1, json_array_get(json, i), err);
    }
    return status;
}

enum status tensor_json_read(const json_t *json, const struct tensor_shape *shape, const char *pointer,
                             float *target, struct error *err)
{
    struct reader reader = {.shape = shape, .pointer = pointer, .next = target};
    return read_level(&reader, 0, json, err);
}

json_t *tensor_json_write(const float *numbers, size_t rows, size_t columns, bool nested)
{
    json_t *list = json_array(), *row = list;
    for (size_t i = 0; i < rows * columns; i++) {
        if (nested && i % columns == 0) {
            row = json_array();
            if (json_array_append_new(list, row) != 0)
                row = NULL;
        }
        float number = numbers[i];
        if (json_array_append_new(row, isfinite(number) ? json_real((double)number) : json_null()) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
