#include "server/multipart.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define PARSER_BUFFER 4096

struct part {
    const char *field;
    uint8_t *data;
    size_t size, capacity; /* the capacity is the body's size, of which a part is a part */
    int count;             /* parts of that name */
};

static enum MHD_Result collect(void *context, enum MHD_ValueKind kind, const char *key, const char *file_name,
                               const char *content_type, const char *transfer_encoding, const char *data,
                               uint64_t offset, size_t size)
{
    (void)kind, (void)file_name, (void)content_type, (void)transfer_encoding;
    struct part *part = context;
    if (!key || strcmp(key, part->field) != 0)
        return MHD_YES;
    part->count += offset == 0;
    if (part->count > 1 || size > part->capacity - part->size)
        return MHD_NO;
    memcpy(part->data + part->size, data, size);
    part->size += size;
    return MHD_YES;
}

enum status multipart_part(struct MHD_Connection *connection, const uint8_t *body, size_t size,
                           const char *field, uint8_t **ret_data, size_t *ret_size, struct error *err)
{
    struct part part = {.field = field, .data = malloc(size + 1), .capacity = size};
    if (!part.data)
        return error_set(err, ERR_MEMORY, "no memory for the form");
    struct MHD_PostProcessor *parser = MHD_create_post_processor(connection, PARSER_BUFFER, collect, &part);
    bool sound = parser && MHD_post_process(parser, (const char *)body, size) == MHD_YES;
    sound = parser && MHD_destroy_post_processor(parser) == MHD_YES && sound;
    if (sound && part.count == 1) {
        *ret_data = part.data;
        *ret_size = part.size;
        return OK;
    }
    free(part.data);
    if (part.count > 1)
        return error_set(err, ERR_FORMAT, "the form has more than one part named \"%s\"", field);
    if (!sound)
        return error_set(err, ERR_FORMAT, "the body is not a well-formed multipart/form-data form");
    return error_set(err, ERR_NOT_FOUND, "the form has no part named \"%s\"", field);
}
