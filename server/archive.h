/* ZIP archives of labelled pictures: folders 0 to 9, at any depth, each with PNGs of that digit. By libzip, from memory: nothing
 * of an archive is ever written to a file, so that names in it lead nowhere.
 *
 * Any thread. What an archive may cost is bounded before it is unpacked. */
#ifndef DIGITD_ARCHIVE_H
#define DIGITD_ARCHIVE_H

#include "engine/engine.h"

#define ARCHIVE_ENTRIES_MAX  20000
#define ARCHIVE_FILE_MAX     (1 << 20)  /* bytes of a file in it, unpacked */
#define ARCHIVE_UNPACKED_MAX (64 << 20) /* of all of them */
#define ARCHIVE_PIXELS_MAX   (64 << 20) /* of all pictures; more of them are rejected */
#define ARCHIVE_REJECTED_MAX 1000       /* that are told of one by one */

struct archive_images {
    size_t count;
    uint8_t (*images)[IMAGE_PIXELS]; /* normalised */
    uint8_t *labels;
    size_t rejected_count;
    struct json_t *rejected; /* [{"name", "detail"}] */
};

/* Reads all pictures as `mode` says. Folders and what systems add to archives are passed over; other files that hold no digit
 * are rejected, each with the reason. ERR_FORMAT: not a ZIP archive. ERR_SHAPE: one of the limits. On success the caller clears
 * the images. */
MUST_CHECK enum status archive_read(const void *bytes, size_t size, enum drawing_mode mode,
                                    struct archive_images *ret_images, struct error *err);
void archive_images_clear(struct archive_images *images);

#endif
