#include "server/report.h"
#include "server/format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *report_number(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

json_t *report_text(const char *text)
{
    json_t *json = json_string(text);
    if (json)
        return json;
    char *plain = strdup(text);
    for (char *at = plain; at && *at; at++)
        *at = (unsigned char)*at < 0x80 ? *at : '?';
    json = plain ? json_string(plain) : NULL;
    free(plain);
    return json;
}

/* ---- Layers -------------------------------------------------------------------------------------- */

/* "3x3 same, relu" */
static void describe_layer(const struct layer_spec *layer, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    switch (layer->kind) {
    case LAYER_CONV2D:
        snprintf(ret_text, size, "%dx%d %s, %s", layer->kernel_size, layer->kernel_size,
                 layer->padding == PADDING_SAME ? "same" : "valid", activation_name(layer->activation));
        break;
    case LAYER_MAX_POOL2D:
        snprintf(ret_text, size, "%dx%d", layer->pool_size, layer->pool_size);
        break;
    case LAYER_DROPOUT:
        snprintf(ret_text, size, "rate %g", (double)layer->rate);
        break;
    case LAYER_DENSE:
        snprintf(ret_text, size, "%s", activation_name(layer->activation));
        break;
    case LAYER_FLATTEN:
        break;
    }
}

static void describe_shape(struct shape shape, char *ret_text, size_t size)
{
    if (shape.height == 1 && shape.width == 1)
        snprintf(ret_text, size, "%d", shape.channels);
    else
        snprintf(ret_text, size, "%dx%dx%d", shape.height, shape.width, shape.channels);
}

#define LAYER_ROW "%-18s %-16s %-12s %12s %15s\n"

static void print_rule(FILE *stream, int columns)
{
    for (int i = 0; i < columns; i++)
        fputc('-', stream);
    fputc('\n', stream);
}

void report_layers(FILE *stream, const struct model_plan *plan)
{
    char parameters[FORMAT_SIZE], multiply_adds[FORMAT_SIZE];
    int columns = fprintf(stream, LAYER_ROW, "Layer", "", "Output", "Parameters", "Multiply-adds") - 1;
    print_rule(stream, columns);
    for (size_t i = 0; i < plan->spec.count; i++) {
        const struct layer_info *info = &plan->layers[i];
        char what[32], shape[40];
        describe_layer(&plan->spec.layers[i], what, sizeof what);
        describe_shape(info->output, shape, sizeof shape);
        fprintf(stream, LAYER_ROW, info->name, what, shape,
                format_count((double)(info->weights + info->biases), parameters),
                format_count(info->multiply_adds, multiply_adds));
    }
    print_rule(stream, columns);
    fprintf(stream, LAYER_ROW, "Total", "", "", format_count((double)plan->parameters, parameters),
            format_count(plan->multiply_adds, multiply_adds));
}

/* ---- Training ------------------------------------------------------------------------------------ */

#define FIELD_ROW "%-18s %s\n"

static void print_fields(FILE *stream, const json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        char number[32];
        snprintf(number, sizeof number, "%.9g", json_number_value(value));
        if (json_is_object(value))
            print_fields(stream, value);
        else
            fprintf(stream, FIELD_ROW, name, json_is_string(value) ? json_string_value(value) : number);
    }
}

void report_training(FILE *stream, const struct train_config *config)
{
    json_t *json = train_config_to_json(config);
    fputs("Recipe\n", stream);
    print_rule(stream, 26);
    print_fields(stream, json);
    json_decref(json);
}

/* ---- As JSON ------------------------------------------------------------------------------------- */

/* [height, width, channels], or [units] */
static json_t *shape_to_json(struct shape shape)
{
    if (shape.height == 1 && shape.width == 1)
        return json_pack("[i]", shape.channels);
    return json_pack("[iii]", shape.height, shape.width, shape.channels);
}

json_t *report_plan_json(const struct model_plan *plan)
{
    json_t *spec = model_spec_to_json(&plan->spec);
    json_t *layers = json_object_get(spec, "layers");
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const struct layer_info *info = &plan->layers[i];
        json_t *more =
            json_pack("{s:s, s:o, s:I, s:I}", "name", info->name, "output_shape", shape_to_json(info->output),
                      "parameters", (json_int_t)(info->weights + info->biases), "multiply_adds",
                      (json_int_t)info->multiply_adds);
        int failed = json_object_update_new(json_array_get(layers, i), more);
        if (failed) {
            json_decref(spec);
            return NULL;
        }
    }
    json_t *plan_json =
        json_pack("{s:O, s:I, s:I}", "layers", layers, "parameters", (json_int_t)plan->parameters,
                  "multiply_adds", (json_int_t)plan->multiply_adds);
    json_decref(spec);
    return plan_json;
}

/* ---- Results ------------------------------------------------------------------------------------- */

json_t *report_epoch_json(const struct epoch_metrics *metrics)
{
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "epoch", metrics->epoch, "train_loss",
                     report_number(metrics->train_loss), "train_accuracy",
                     report_number(metrics->train_accuracy), "validation_loss",
                     report_number(metrics->validation_loss), "validation_accuracy",
                     report_number(metrics->validation_accuracy), "seconds", report_number(metrics->seconds));
}

static uint32_t row_sum(const uint32_t row[CLASSES])
{
    uint32_t sum = 0;
    for (int i = 0; i < CLASSES; i++)
        sum += row[i];
    return sum;
}

void report_confusion_matrix(FILE *stream, const struct evaluation *evaluation)
{
    int columns = fprintf(stream, "true \\ predicted");
    for (int predicted = 0; predicted < CLASSES; predicted++)
        columns += fprintf(stream, " %5d", predicted);
    columns += fprintf(stream, "   recall");
    fputc('\n', stream);
    print_rule(stream, columns);
    for (int label = 0; label < CLASSES; label++) {
        const uint32_t *row = evaluation->confusion_matrix[label];
        fprintf(stream, "%16d", label);
        for (int predicted = 0; predicted < CLASSES; predicted++)
            fprintf(stream, " %5u", row[predicted]);
        if (row_sum(row) > 0)
            fprintf(stream, " %6.2f %%", 100.0 * row[label] / row_sum(row));
        fputc('\n', stream);
    }
}

void report_class_figures(const uint32_t confusion_matrix[CLASSES][CLASSES],
                          struct class_figures ret_figures[CLASSES])
{
    for (int label = 0; label < CLASSES; label++) {
        double hits = confusion_matrix[label][label], images = row_sum(confusion_matrix[label]),
               predictions = 0;
        for (int i = 0; i < CLASSES; i++)
            predictions += confusion_matrix[i][label];
        ret_figures[label] =
            (struct class_figures){.support = row_sum(confusion_matrix[label]),
                                   .precision = predictions > 0 ? hits / predictions : NAN,
                                   .recall = images > 0 ? hits / images : NAN,
                                   .f1 = images + predictions > 0 ? 2 * hits / (images + predictions) : NAN};
    }
}

static void print_share(FILE *stream, double share)
{
    if (isfinite(share))
        fprintf(stream, " %8.2f %%", 100 * share);
    else
        fprintf(stream, " %10s", "-");
}

void report_classes(FILE *stream, const struct evaluation *evaluation)
{
    struct class_figures figures[CLASSES];
    report_class_figures(evaluation->confusion_matrix, figures);
    print_rule(stream,
               fprintf(stream, "%5s %8s %10s %10s %10s\n", "digit", "images", "precision", "recall", "F1") -
                   1);
    for (int label = 0; label < CLASSES; label++) {
        fprintf(stream, "%5d %8u", label, figures[label].support);
        print_share(stream, figures[label].precision);
        print_share(stream, figures[label].recall);
        print_share(stream, figures[label].f1);
        fputc('\n', stream);
    }
}

json_t *report_confusion_json(const uint32_t confusion_matrix[CLASSES][CLASSES])
{
    json_t *matrix = json_array();
    for (int label = 0; label < CLASSES; label++) {
        json_t *row = json_array();
        for (int predicted = 0; predicted < CLASSES; predicted++)
            json_array_append_new(row, json_integer(confusion_matrix[label][predicted]));
        json_array_append_new(matrix, row);
    }
    return matrix;
}

json_t *report_classes_json(const uint32_t confusion_matrix[CLASSES][CLASSES])
{
    struct class_figures figures[CLASSES];
    json_t *classes = json_array();
    report_class_figures(confusion_matrix, figures);
    for (int label = 0; label < CLASSES; label++)
        json_array_append_new(classes, json_pack("{s:i, s:o, s:o, s:o, s:I}", "label", label, "precision",
                                                 report_number(figures[label].precision), "recall",
                                                 report_number(figures[label].recall), "f1",
                                                 report_number(figures[label].f1), "support",
                                                 (json_int_t)figures[label].support));
    return classes;
}

json_t *report_evaluation_json(const struct evaluation *evaluation)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "count", (json_int_t)evaluation->count, "loss",
                     report_number(evaluation->loss), "accuracy", report_number(evaluation->accuracy),
                     "confusion_matrix", report_confusion_json(evaluation->confusion_matrix), "classes",
                     report_classes_json(evaluation->confusion_matrix));
}

json_t *report_calibration_json(const struct calibration *calibration)
{
    json_t *bins = json_array();
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        const struct calibration_bin *bin = &calibration->bins[i];
        json_array_append_new(bins, json_pack("{s:o, s:o, s:I}", "confidence", report_number(bin->confidence),
                                              "accuracy", report_number(bin->accuracy), "count",
                                              (json_int_t)bin->count));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "temperature", report_number(calibration->temperature), "ece",
                     report_number(calibration->ece), "ece_uncalibrated",
                     report_number(calibration->ece_uncalibrated), "bins", bins);
}
