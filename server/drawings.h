/* The drawings in a prediction request, whichever way it carries them, as 28x28 images.
 *
 * A body is a PNG, a form with a part `image`, or JSON with one of `image`, `images` and `strokes`. */
#ifndef DIGITD_DRAWINGS_H
#define DIGITD_DRAWINGS_H

#include "engine/engine.h"

struct json_t;
struct request;

#define DRAWINGS_MAX 256 /* a request */

struct drawings {
    bool is_list; /* came as `images`: answered as a list, even of one */
    size_t count;
    uint8_t (*images)[IMAGE_PIXELS]; /* owned */
};

/* Reads the request's body. On failure it writes the reply and returns false. */
MUST_CHECK bool drawings_read(struct request *request, enum drawing_mode mode, struct drawings *ret_drawings);

/* The same for a body that is parsed already, a JSON object. */
MUST_CHECK bool drawings_read_json(struct request *request, const struct json_t *body, enum drawing_mode mode,
                                   struct drawings *ret_drawings);
void drawings_free(struct drawings *drawings);

/* Whether reading the body may take longer than a thread that serves many connections should spend on it. */
bool drawings_take_long(const struct request *request);

#endif
