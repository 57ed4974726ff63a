#include "engine/augment.h"

#include "engine/rng.h"

#include <math.h>
#include <string.h>

/* The image has a border of zeros as wide as any sample can reach past it after clamping. */
#define BORDER 2
#define PADDED (IMAGE_SIDE + 2 * BORDER)

/* The elastic field is drawn on a coarse grid and interpolated: smooth, and far cheaper than a Gaussian filter over
 * 784 displacements (Simard et al., ICDAR 2003), which it stands in for. */
#define GRID 5
#define CELL ((float)(IMAGE_SIDE - 1) / (GRID - 1))

/* Numbers of one image, in a fixed order whatever is switched on. */
enum {
    DRAW_ROTATION,
    DRAW_SHEAR,
    DRAW_SCALE_X,
    DRAW_SCALE_Y,
    DRAW_SHIFT_X,
    DRAW_SHIFT_Y,
    DRAW_THICKNESS,
    DRAW_FIELD,
    DRAWS = DRAW_FIELD + 2 * GRID * GRID
};

bool augmentation_is_on(const struct augmentation *augmentation)
{
    return augmentation->rotation > 0 || augmentation->shift > 0 || augmentation->scale > 0 ||
           augmentation->shear > 0 || augmentation->elastic > 0 || augmentation->thickness > 0;
}

/* Uniform in [-1, 1). */
static void draw(uint64_t seed, unsigned epoch, uint64_t index, float ret_draws[DRAWS])
{
    struct rng rng = rng_at(seed, RNG_AUGMENT, 0, epoch);
    uint64_t block = index * ((DRAWS + 3) / 4);
    for (size_t i = 0; i < DRAWS; i += 4) {
        uint32_t words[4];
        rng_block(&rng, block++, words);
        for (size_t j = 0; j < 4 && i + j < DRAWS; j++)
            ret_draws[i + j] = (float)(words[j] >> 8) * 0x1p-23f - 1.0f;
    }
}

/* ---- Thickness ---- */

/* The largest (or smallest) of each pixel and its four neighbours. */
static void neighbour_extreme(const float *image, bool largest, float *ret_image)
{
    static const int offsets[] = {-PADDED, -1, 1, PADDED};
    memset(ret_image, 0, PADDED * PADDED * sizeof *ret_image);
    for (int row = 1; row < PADDED - 1; row++)
        for (int column = 1; column < PADDED - 1; column++) {
            int at = row * PADDED + column;
            float value = image[at];
            for (size_t i = 0; i < 4; i++) {
                float neighbour = image[at + offsets[i]];
                if (largest ? neighbour > value : neighbour < value)
                    value = neighbour;
            }
            ret_image[at] = value;
        }
}

/* Blends with the image dilated (amount > 0) or eroded (amount < 0) by one pixel. */
static void change_thickness(float amount, float *image)
{
    float extreme[PADDED * PADDED];
    neighbour_extreme(image, amount > 0, extreme);
    float share = fabsf(amount);
    for (size_t i = 0; i < PADDED * PADDED; i++)
        image[i] += share * (extreme[i] - image[i]);
}

/* ---- Geometry ---- */

/* Where the pixel (x, y) of the result comes from, relative to the image's centre: matrix * (x, y) + shift. */
struct affine {
    float xx, xy, yx, yy, shift_x, shift_y;
};

static struct affine affine_of(const struct augmentation *a, const float draws[DRAWS])
{
    float angle = draws[DRAW_ROTATION] * (float)a->rotation * (float)(M_PI / 180);
    float shear = draws[DRAW_SHEAR] * (float)a->shear;
    float scale_x = 1.0f / (1.0f + draws[DRAW_SCALE_X] * (float)a->scale);
    float scale_y = 1.0f / (1.0f + draws[DRAW_SCALE_Y] * (float)a->scale);
    float c = cosf(angle), s = sinf(angle);
    return (struct affine){.xx = scale_x * (c + shear * s),
                           .xy = scale_x * (s - shear * c),
                           .yx = -scale_y * s,
                           .yy = scale_y * c,
                           .shift_x = draws[DRAW_SHIFT_X] * (float)a->shift,
                           .shift_y = draws[DRAW_SHIFT_Y] * (float)a->shift};
}

/* The field's displacement at a pixel, bilinear between its grid's points. */
static float field_at(const float grid[GRID * GRID], int row, int column)
{
    float y = (float)row / CELL, x = (float)column / CELL;
    int i = (int)y < GRID - 2 ? (int)y : GRID - 2, j = (int)x < GRID - 2 ? (int)x : GRID - 2;
    float fy = y - (float)i, fx = x - (float)j;
    const float *cell = grid + i * GRID + j;
    float top = cell[0] + fx * (cell[1] - cell[0]), bottom = cell[GRID] + fx * (cell[GRID + 1] - cell[GRID]);
    return top + fy * (bottom - top);
}

/* The image at a point, bilinear; zero outside. */
static float sample(const float *image, float y, float x)
{
    y = fminf(fmaxf(y, -1.0f), IMAGE_SIDE) + BORDER;
    x = fminf(fmaxf(x, -1.0f), IMAGE_SIDE) + BORDER;
    int row = (int)y, column = (int)x;
    float fy = y - (float)row, fx = x - (float)column;
    const float *at = image + row * PADDED + column;
    float top = at[0] + fx * (at[1] - at[0]), bottom = at[PADDED] + fx * (at[PADDED + 1] - at[PADDED]);
    return top + fy * (bottom - top);
}

static void resample(const struct augmentation *augmentation, const float draws[DRAWS], const float *image,
                     float *ret_image)
{
    const float centre = (float)(IMAGE_SIDE - 1) / 2;
    struct affine affine = affine_of(augmentation, draws);
    float strength = (float)augmentation->elastic;
    const float *field_x = draws + DRAW_FIELD, *field_y = field_x + GRID * GRID;
    for (int row = 0; row < IMAGE_SIDE; row++) {
        for (int column = 0; column < IMAGE_SIDE; column++) {
            float dy = (float)row - centre - affine.shift_y, dx = (float)column - centre - affine.shift_x;
            float y = centre + affine.yx * dx + affine.yy * dy, x = centre + affine.xx * dx + affine.xy * dy;
            if (strength > 0) {
                y += strength * field_at(field_y, row, column);
                x += strength * field_at(field_x, row, column);
            }
            ret_image[row * IMAGE_SIDE + column] = sample(image, y, x);
        }
    }
}

void augment_image(const struct augmentation *augmentation, uint64_t seed, unsigned epoch, uint64_t index,
                   const uint8_t *image, float *ret_image)
{
    float draws[DRAWS], padded[PADDED * PADDED] = {0};
    draw(seed, epoch, index, draws);
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        padded[(i / IMAGE_SIDE + BORDER) * PADDED + i % IMAGE_SIDE + BORDER] = (float)image[i] / 255.0f;
    if (augmentation->thickness > 0)
        change_thickness(draws[DRAW_THICKNESS] * (float)augmentation->thickness, padded);
    resample(augmentation, draws, padded, ret_image);
}

void augment_preview(const struct augmentation *augmentation, uint64_t seed, unsigned epoch, uint64_t index,
                     const uint8_t image[IMAGE_PIXELS], uint8_t ret_image[IMAGE_PIXELS])
{
    float pixels[IMAGE_PIXELS];
    augment_image(augmentation, seed, epoch, index, image, pixels);
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        ret_image[i] = (uint8_t)lrintf(fminf(fmaxf(pixels[i], 0.0f), 1.0f) * 255.0f);
}
