/* What the handlers of the Open Inference Protocol share: the one input and output that every model has here. */
#ifndef DIGITD_V2_H
#define DIGITD_V2_H

#include <jansson.h>

#define V2_INPUT    "image"
#define V2_OUTPUT   "probabilities"
#define V2_DATATYPE "FP32"

/* Versions are strings there; a model in training is version "0". */
json_t *v2_version_to_json(int version);

#endif
