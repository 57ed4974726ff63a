/* write(2) that does not stop half way. Any thread. */
#ifndef ENGINE_WRITE_ALL_H
#define ENGINE_WRITE_ALL_H

#include <stdbool.h>
#include <stddef.h>

/* Writes all bytes, in as many calls as it takes. False: errno says why. */
bool write_all(int descriptor, const void *data, size_t size);

#endif
