#include "tests/accuracy/photograph.h"

#include <stdlib.h>
#include <string.h>

const char *const paper_names[PAPERS] = {
    [PAPER_PLAIN] = "plain", [PAPER_RULED] = "ruled", [PAPER_SQUARED] = "squared"};

/* Reflectances of red, green and blue. */
struct colour {
    double channels[3];
};

static const struct colour inks[] = {
    {{0.10, 0.10, 0.11}}, /* black ball pen */
    {{0.12, 0.17, 0.52}}, /* blue ball pen */
    {{0.08, 0.09, 0.30}}, /* dark blue ink */
    {{0.34, 0.34, 0.36}}, /* pencil */
    {{0.60, 0.12, 0.14}}, /* red pen */
    {{0.06, 0.06, 0.06}}, /* marker */
};
#define INKS (sizeof inks / sizeof *inks)

static const struct colour rulings[] = {{{0.60, 0.72, 0.86}}, {{0.66, 0.66, 0.68}}, {{0.52, 0.62, 0.80}}};
#define RULINGS (sizeof rulings / sizeof *rulings)

struct scene {
    struct dice *dice;
    int width, height;
    struct plane ink, lines;
    struct colour paper, pen, ruling;

    /* Light: a slope, darker corners, and the edge of a shadow. */
    double slope_x, slope_y, corners;
    double shadow, shadow_angle, shadow_place, shadow_softness;
    double blur, noise;
};

/* ---- What is on the paper ---- */

static void rule(struct scene *scene, double angle, double spacing, double width)
{
    double offset = dice_between(scene->dice, 0, spacing), c = cos(angle), s = sin(angle);
    for (int y = 0; y < scene->height; y++)
        for (int x = 0; x < scene->width; x++) {
            double across = (y + 0.5) * c - (x + 0.5) * s + offset;
            double distance = fabs(across - spacing * round(across / spacing));
            float *line = scene->lines.ink + (size_t)y * (size_t)scene->width + x;
            *line = fmaxf(*line, (float)fmin(1, fmax(0, width / 2 + 0.5 - distance)));
        }
}

/* Digits are written between the lines, or over some of them. */
static void rule_paper(struct scene *scene, enum paper paper, double side)
{
    if (paper == PAPER_PLAIN)
        return;
    double angle = dice_between(scene->dice, -0.03, 0.03);
    double spacing = side * dice_between(scene->dice, 0.35, 1.4);
    double width = fmax(1, spacing * dice_between(scene->dice, 0.015, 0.035));
    rule(scene, angle, spacing, width);
    if (paper == PAPER_SQUARED)
        rule(scene, angle + M_PI / 2, spacing, width);
}

static void write_digit(struct scene *scene, const struct glyph *glyph, double side)
{
    double w = (glyph->right - glyph->left) / glyph_side(glyph) * side;
    double h = (glyph->bottom - glyph->top) / glyph_side(glyph) * side;
    double margin = 0.04 * fmin(scene->width, scene->height);
    double left = dice_between(scene->dice, margin, scene->width - w - margin);
    double top = dice_between(scene->dice, margin, scene->height - h - margin);
    double pen = fmax(1.6, side * dice_between(scene->dice, 0.02, 0.11));
    glyph_write(glyph, side, left, top, pen, &scene->ink);
}

/* Dust and dots, each far smaller than a digit. */
static void add_specks(struct scene *scene, double side)
{
    for (int i = dice_below(scene->dice, 6); i > 0; i--) {
        double x = dice_between(scene->dice, 0, scene->width),
               y = dice_between(scene->dice, 0, scene->height);
        double radius = side * dice_between(scene->dice, 0.003, 0.015),
               part = dice_between(scene->dice, 0.2, 0.8);
        for (int v = (int)(y - radius) - 1; v <= y + radius + 1; v++)
            for (int u = (int)(x - radius) - 1; u <= x + radius + 1; u++)
                if (u >= 0 && v >= 0 && u < scene->width && v < scene->height &&
                    hypot(u + 0.5 - x, v + 0.5 - y) <= radius) {
                    float *ink = scene->ink.ink + (size_t)v * (size_t)scene->width + u;
                    *ink = fmaxf(*ink, (float)part);
                }
    }
}

/* ---- Light and camera ---- */

static void light(struct scene *scene)
{
    struct dice *dice = scene->dice;
    scene->slope_x = dice_between(dice, -0.25, 0.25);
    scene->slope_y = dice_between(dice, -0.25, 0.25);
    scene->corners = dice_between(dice, 0, 0.35);
    scene->shadow = dice_below(dice, 2) ? dice_between(dice, 0.1, 0.45) : 0;
    scene->shadow_angle = dice_between(dice, 0, 2 * M_PI);
    scene->shadow_place = dice_between(dice, -0.3, 0.3);
    scene->shadow_softness = dice_between(dice, 0.02, 0.15);
    scene->blur = dice_between(dice, 0.4, 1.4);
    scene->noise = dice_between(dice, 1, 7);
}

static double light_at(const struct scene *scene, int x, int y)
{
    double u = (x + 0.5) / scene->width - 0.5, v = (y + 0.5) / scene->height - 0.5;
    double across = u * cos(scene->shadow_angle) + v * sin(scene->shadow_angle) - scene->shadow_place;
    double shade = 1 - scene->shadow / (1 + exp(-across / scene->shadow_softness));
    return (0.9 + scene->slope_x * u + scene->slope_y * v) * (1 - scene->corners * 2 * (u * u + v * v)) *
           shade;
}

static void blur_line(const float *from, float *to, int count, size_t step, const double *weights, int reach)
{
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int j = -reach; j <= reach; j++) {
            int at = i + j < 0 ? 0 : i + j >= count ? count - 1 : i + j;
            sum += weights[abs(j)] * (double)from[(size_t)at * step];
        }
        to[(size_t)i * step] = (float)sum;
    }
}

static void blur(struct plane *plane, double sigma)
{
    enum { REACH = 5 };
    double weights[REACH + 1], sum = 0;
    for (int i = 0; i <= REACH; i++)
        sum += (i ? 2 : 1) * (weights[i] = exp(-i * i / (2 * sigma * sigma)));
    for (int i = 0; i <= REACH; i++)
        weights[i] /= sum;
    size_t width = (size_t)plane->width;
    float *between = malloc(width * (size_t)plane->height * sizeof *between);
    if (!between)
        abort();
    for (int y = 0; y < plane->height; y++)
        blur_line(plane->ink + (size_t)y * width, between + (size_t)y * width, plane->width, 1, weights,
                  REACH);
    for (int x = 0; x < plane->width; x++)
        blur_line(between + x, plane->ink + x, plane->height, width, weights, REACH);
    free(between);
}

static uint8_t *expose(const struct scene *scene)
{
    size_t count = (size_t)scene->width * (size_t)scene->height;
    uint8_t *rgba = malloc(4 * count);
    if (!rgba)
        abort();
    for (size_t i = 0; i < count; i++) {
        double shine =
            255 * light_at(scene, (int)(i % (size_t)scene->width), (int)(i / (size_t)scene->width));
        double ink = (double)scene->ink.ink[i], line = (double)scene->lines.ink[i];
        for (int c = 0; c < 3; c++) {
            double bare = scene->paper.channels[c] * (1 - line * (1 - scene->ruling.channels[c]));
            double level = shine * (bare * (1 - ink) + scene->pen.channels[c] * ink);
            level += scene->noise * dice_normal(scene->dice);
            rgba[4 * i + (size_t)c] = (uint8_t)fmin(255, fmax(0, round(level)));
        }
        rgba[4 * i + 3] = 255;
    }
    return rgba;
}

void photograph_make(const struct glyph *glyph, enum paper paper, struct dice *dice, int *ret_width,
                     int *ret_height, uint8_t **ret_rgba)
{
    struct scene scene = {.dice = dice};
    scene.width = 200 + dice_below(dice, 600);
    scene.height = (int)(scene.width * dice_between(dice, 0.75, 1.25));
    size_t count = (size_t)scene.width * (size_t)scene.height;
    scene.ink = (struct plane){scene.width, scene.height, calloc(count, sizeof(float))};
    scene.lines = (struct plane){scene.width, scene.height, calloc(count, sizeof(float))};
    if (!scene.ink.ink || !scene.lines.ink)
        abort();
    double shade = dice_between(dice, 0.8, 1);
    scene.paper =
        (struct colour){{shade, shade * dice_between(dice, 0.95, 1), shade * dice_between(dice, 0.85, 1)}};
    scene.pen = inks[dice_below(dice, INKS)];
    scene.ruling = rulings[dice_below(dice, RULINGS)];
    light(&scene);
    double side = fmin(scene.width, scene.height) * dice_between(dice, 0.25, 0.85);
    rule_paper(&scene, paper, side);
    write_digit(&scene, glyph, side);
    add_specks(&scene, side);
    blur(&scene.ink, scene.blur);
    blur(&scene.lines, scene.blur);
    *ret_rgba = expose(&scene);
    *ret_width = scene.width;
    *ret_height = scene.height;
    free(scene.ink.ink);
    free(scene.lines.ink);
}
