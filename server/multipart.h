/* Bodies of type multipart/form-data, as `curl -F image=@7.png` sends them, by libmicrohttpd's post processor. */
#ifndef DIGITD_MULTIPART_H
#define DIGITD_MULTIPART_H

#include "engine/engine.h"

struct MHD_Connection;

/* Copies the part called `field` to `ret_data`, made by malloc. The boundary is taken from the connection's
 * Content-Type. ERR_FORMAT: not well-formed, or the part occurs twice. ERR_NOT_FOUND: no such part. */
MUST_CHECK enum status multipart_part(struct MHD_Connection *connection, const uint8_t *body, size_t size,
                                      const char *field, uint8_t **ret_data, size_t *ret_size,
                                      struct error *err);

#endif
