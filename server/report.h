/* Models and results as tables for people and as JSON for scripts. Any thread. */
#ifndef DIGITD_REPORT_H
#define DIGITD_REPORT_H

#include "engine/engine.h"

#include <jansson.h>
#include <stdio.h>

/* One row a layer, as Keras's summary: name, what it is, output shape, parameters, multiply-adds; then the totals. */
void report_layers(FILE *stream, const struct model_plan *plan);

/* Each field of the configuration in a line. */
void report_training(FILE *stream, const struct train_config *config);

/* A row a true digit, a column a prediction; the last column is the share recognised (recall). */
void report_confusion_matrix(FILE *stream, const struct evaluation *evaluation);

/* How well a class is told from the others. NaN where there is nothing to divide by: precision of one that is never
 * predicted, recall of one without images, F1 (2 hits / (images + predictions)) of one that is neither. */
struct class_figures {
    uint32_t support; /* its images */
    double precision, recall, f1;
};
void report_class_figures(const uint32_t confusion_matrix[CLASSES][CLASSES],
                          struct class_figures ret_figures[CLASSES]);

/* A row a class: images, precision, recall, F1. */
void report_classes(FILE *stream, const struct evaluation *evaluation);

/* New references, NULL without memory. NaN and infinity become null. */
json_t *report_number(double number);
json_t *report_text(const char *text); /* a file's name may be no UTF-8: such bytes become ? */
json_t *report_plan_json(const struct model_plan *plan);
json_t *report_epoch_json(const struct epoch_metrics *metrics);
json_t *report_confusion_json(const uint32_t confusion_matrix[CLASSES][CLASSES]);
json_t *report_classes_json(const uint32_t confusion_matrix[CLASSES][CLASSES]);
json_t *report_calibration_json(const struct calibration *calibration);
json_t *report_evaluation_json(const struct evaluation *evaluation);

#endif
