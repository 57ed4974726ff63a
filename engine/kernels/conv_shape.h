#ifndef ENGINE_KERNELS_CONV_SHAPE_H
#define ENGINE_KERNELS_CONV_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

/* A stride-1 convolution of square kernels, for every algorithm. */
struct conv_shape {
    int height, width;         /* input */
    int out_height, out_width; /* output */
    int kernel_size, pad;      /* pad: zeros before the first row and column */
    int channels, filters;     /* input and output channels */
    size_t in_pitch, out_pitch;
};

#endif
