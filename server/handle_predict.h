/* What answers about drawings have in common. */
#ifndef DIGITD_HANDLE_PREDICT_H
#define DIGITD_HANDLE_PREDICT_H

#include <jansson.h>

#include "engine/engine.h"
#include "server/model_choice.h"

/* Reads `model`, `version`, `alias`, `job` and `mode`. On failure it writes the reply and returns false. */
MUST_CHECK bool predict_read_query(struct request *request, struct model_choice *ret_choice,
                                   enum drawing_mode *ret_mode);

/* New references; NULL without memory. NaN becomes null; grey levels become a PNG in base64. */
json_t *predict_model_to_json(const struct served_model *served);
json_t *predict_number_to_json(float number);
json_t *predict_levels_to_json(const uint8_t *levels, int width, int height);

/* {"digit", "confidence", "uncertain", "probabilities", "input"} */
json_t *predict_answer_to_json(const float probabilities[CLASSES], enum drawing_mode mode,
                               const uint8_t image[IMAGE_PIXELS]);

#endif
