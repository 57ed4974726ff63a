/* What replies about images of datasets have in common. */
#ifndef DIGITD_HANDLE_DATASETS_H
#define DIGITD_HANDLE_DATASETS_H

#include "engine/engine.h"

struct request;

/* The image as PNG, with an ETag of its pixels, or 304. */
void reply_dataset_image(struct request *request, const uint8_t image[IMAGE_PIXELS]);

#endif
