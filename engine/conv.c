#include "engine/conv.h"

static const struct conv_algorithm *const algorithms[] = {&conv_direct, &conv_winograd, &conv_im2col};

const struct conv_algorithm *conv_choose(const struct conv_shape *shape)
{
    size_t i = 0;
    while (!algorithms[i]->applies(shape))
        i++;
    return algorithms[i];
}
