#include "engine/pieces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIRM        0.55 /* of the pen's contrast: a piece has to reach it somewhere */
#define DOUBTFUL    0.2  /* what a piece counts that touches the border, or has no sharp edges */
#define SHADOW_MAX  0.3  /* contrast up to which a piece without sharp edges may be the edge of a shadow */
#define SHARP_STEP  0.4  /* of the pen's contrast, from one side of a pixel to the other: an edge */
#define SHARP_SHARE 0.08 /* of a piece's pixels lie at edges, unless it is a shadow's */
#define PART_AREA   0.06 /* a part of the digit has so much of its largest piece's ink, */
#define PART_SIDE   0.2  /* or is so long, compared with it, */
#define PART_GAP    0.5  /* and no further away */

struct piece {
    int left, top, right, bottom; /* right and bottom are outside */
    double ink;                   /* the contrast of all its pixels together */
    float strongest;
    size_t pixels, at_edges;
    bool at_border, kept;
};

struct pieces {
    const struct inked *inked;
    uint32_t *numbers; /* [height][width]: of the pixel's piece, from 1; 0: none yet */
    uint32_t *stack;
    struct piece *list;
    size_t count, room;
};

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Whether contrast changes by much around the pixel. */
static bool is_edge(const struct inked *inked, int x, int y)
{
    int left = larger(x - 2, 0), right = smaller(x + 2, inked->width - 1);
    int top = larger(y - 2, 0), bottom = smaller(y + 2, inked->height - 1);
    const float *row = inked->contrast + (size_t)y * (size_t)inked->width;
    const float *above = inked->contrast + (size_t)top * (size_t)inked->width,
                *below = inked->contrast + (size_t)bottom * (size_t)inked->width;
    float limit = (float)SHARP_STEP * inked->strong;
    return fabsf(row[right] - row[left]) > limit || fabsf(below[x] - above[x]) > limit;
}

static void piece_add(struct piece *piece, const struct inked *inked, size_t pixel)
{
    int x = (int)(pixel % (size_t)inked->width), y = (int)(pixel / (size_t)inked->width);
    piece->left = smaller(piece->left, x);
    piece->right = larger(piece->right, x + 1);
    piece->top = smaller(piece->top, y);
    piece->bottom = larger(piece->bottom, y + 1);
    piece->at_border |= x == 0 || y == 0 || x == inked->width - 1 || y == inked->height - 1;
    piece->pixels++;
    piece->at_edges += is_edge(inked, x, y);
    piece->ink += (double)inked->contrast[pixel];
    piece->strongest = inked->contrast[pixel] > piece->strongest ? inked->contrast[pixel] : piece->strongest;
}

/* Numbers the neighbours of a pixel that have ink and no number, and puts them on the stack. */
static size_t spread_to_neighbours(struct pieces *pieces, size_t pixel, size_t depth)
{
    const struct inked *inked = pieces->inked;
    int x = (int)(pixel % (size_t)inked->width), y = (int)(pixel / (size_t)inked->width);
    for (int i = 0; i < 9; i++) {
        int u = x + i % 3 - 1, v = y + i / 3 - 1;
        if (u < 0 || v < 0 || u >= inked->width || v >= inked->height)
            continue;
        size_t next = (size_t)v * (size_t)inked->width + (size_t)u;
        if (!inked->ink[next] || pieces->numbers[next])
            continue;
        pieces->numbers[next] = (uint32_t)pieces->count;
        pieces->stack[depth++] = (uint32_t)next;
    }
    return depth;
}

static bool piece_find(struct pieces *pieces, size_t pixel)
{
    const struct inked *inked = pieces->inked;
    if (pieces->count == pieces->room) {
        size_t room = pieces->room ? 2 * pieces->room : 64;
        struct piece *list = realloc(pieces->list, room * sizeof *list);
        if (!list)
            return false;
        pieces->list = list;
        pieces->room = room;
    }
    struct piece *piece = &pieces->list[pieces->count++];
    *piece = (struct piece){.left = inked->width, .top = inked->height};
    size_t depth = 0;
    pieces->numbers[pixel] = (uint32_t)pieces->count;
    pieces->stack[depth++] = (uint32_t)pixel;
    while (depth > 0) {
        size_t next = pieces->stack[--depth];
        piece_add(piece, inked, next);
        depth = spread_to_neighbours(pieces, next, depth);
    }
    return true;
}

static int side_of(const struct piece *piece)
{
    return larger(piece->right - piece->left, piece->bottom - piece->top);
}

static bool is_sharp(const struct piece *piece)
{
    return (double)piece->at_edges >= SHARP_SHARE * (double)piece->pixels;
}

static double worth(const struct piece *piece)
{
    return piece->ink * (piece->at_border || !is_sharp(piece) ? DOUBTFUL : 1);
}

/* Between two boxes: pixels along the axis where they are further apart; 0 where they meet. */
static int gap_between(const struct piece *a, const struct piece *b)
{
    int x = larger(a->left - b->right, b->left - a->right),
        y = larger(a->top - b->bottom, b->top - a->bottom);
    return larger(0, larger(x, y));
}

static bool belongs(const struct piece *part, const struct piece *digit, const struct piece *main)
{
    bool large = part->ink >= PART_AREA * main->ink || side_of(part) >= PART_SIDE * side_of(main);
    return large && gap_between(part, digit) <= PART_GAP * side_of(main) &&
           part->strongest >= (float)FIRM * main->strongest && (!part->at_border || main->at_border);
}

/* Marks the digit's pieces as kept; false when there is none. */
static bool choose(struct pieces *pieces)
{
    struct piece *main = NULL;
    for (size_t i = 0; i < pieces->count; i++) {
        struct piece *piece = &pieces->list[i];
        if (piece->strongest >= (float)FIRM * pieces->inked->strong && (!main || worth(piece) > worth(main)))
            main = piece;
    }
    if (!main || (!is_sharp(main) && pieces->inked->strong < (float)SHADOW_MAX))
        return false;
    struct piece digit = *main;
    main->kept = true;
    for (bool grown = true; grown;) {
        grown = false;
        for (size_t i = 0; i < pieces->count; i++) {
            struct piece *piece = &pieces->list[i];
            if (piece->kept || !belongs(piece, &digit, main))
                continue;
            grown = piece->kept = true;
            digit.left = smaller(digit.left, piece->left);
            digit.top = smaller(digit.top, piece->top);
            digit.right = larger(digit.right, piece->right);
            digit.bottom = larger(digit.bottom, piece->bottom);
        }
    }
    return true;
}

enum status pieces_keep_digit(struct inked *inked, bool *ret_found, struct error *err)
{
    size_t pixels = (size_t)inked->width * (size_t)inked->height;
    struct pieces pieces = {.inked = inked};
    pieces.numbers = calloc(pixels, sizeof *pieces.numbers);
    pieces.stack = malloc(pixels * sizeof *pieces.stack);
    bool room = pieces.numbers && pieces.stack;
    for (size_t i = 0; i < pixels && room; i++)
        if (inked->ink[i] && !pieces.numbers[i])
            room = piece_find(&pieces, i);
    if (room) {
        *ret_found = choose(&pieces);
        for (size_t i = 0; i < pixels; i++)
            inked->ink[i] = pieces.numbers[i] && pieces.list[pieces.numbers[i] - 1].kept;
    }
    free(pieces.numbers);
    free(pieces.stack);
    free(pieces.list);
    return room ? OK : error_set(err, ERR_MEMORY, "no memory to find the digit on a photograph");
}
