/* How well a model reads digits that are not MNIST's files, in mode auto:
 *
 *     accuracy MODEL.safetensors DATASETS canvas|photographs [--count N] [--sheet FILE.png]
 *     accuracy MODEL.safetensors DATASETS folders FOLDER… [--sheet FILE.png]
 *
 * canvas:       test digits redrawn on 280x280 in 9 sizes, 9 places and several styles
 * photographs:  test digits written with a pen on plain, ruled and squared paper, in uneven light
 * folders:      LABEL_*.png from each folder
 * unlike:       what is no digit, and how often it is called uncertain; letters are Hershey's, from [FOLDER]
 * The sheet shows pictures that were read wrong, each beside the 28x28 that the network saw. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/png.h"
#include "tests/accuracy/judge.h"
#include "tests/accuracy/photograph.h"
#include "tests/accuracy/unlike.h"

struct settings {
    const char *model, *data_dir, *subject, *sheet;
    size_t count;
    char **folders;
    size_t folder_count;
};

static enum status load_test_set(const struct settings *settings, struct dataset **ret_data,
                                 struct error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/mnist", settings->data_dir);
    return dataset_load(path, SPLIT_TEST, ret_data, err);
}

/* Image number `index` of `count` that are spread over the set. */
static size_t spread_over(const struct dataset *data, size_t index, size_t count)
{
    return index * (dataset_count(data) / count) % dataset_count(data);
}

/* ---- Canvases -------------------------------------------------------------------------------------------- */

#define CANVAS 280

static const double sizes[] = {24, 36, 52, 72, 96, 124, 160, 208, 260};
#define SIZES  (sizeof sizes / sizeof *sizes)
#define PLACES 9 /* 3 x 3 */

enum style { LIGHT_ON_DARK, DARK_ON_LIGHT, COLOURED, THICKENED, PEN, STYLES };
static const char *const style_names[STYLES] = {"light on dark", "inverted", "coloured", "thickened",
                                                "thin pen"};

static void choose_colours(enum style style, struct dice *dice, double paper[3], double ink[3])
{
    for (int c = 0; c < 3; c++) {
        paper[c] = style == DARK_ON_LIGHT || style == PEN ? 255 : 0;
        ink[c] = 255 - paper[c];
    }
    double contrast = 0;
    while (style == COLOURED && contrast < 60) {
        for (int c = 0; c < 3; c++) {
            paper[c] = dice_between(dice, 0, 256);
            ink[c] = dice_between(dice, 0, 256);
        }
        contrast =
            fabs(0.299 * (paper[0] - ink[0]) + 0.587 * (paper[1] - ink[1]) + 0.114 * (paper[2] - ink[2]));
    }
}

static void draw_canvas(const struct glyph *glyph, enum style style, double size, size_t place,
                        struct dice *dice, uint8_t rgba[4 * CANVAS * CANVAS])
{
    static float ink[CANVAS * CANVAS];
    struct plane plane = {CANVAS, CANVAS, ink};
    memset(ink, 0, sizeof ink);
    double part = size / glyph_side(glyph), room = 4;
    double width = (glyph->right - glyph->left) * part, height = (glyph->bottom - glyph->top) * part;
    double left = room + (double)(place % 3) / 2 * (CANVAS - 2 * room - width);
    double top = room + (double)(place / 3) / 2 * (CANVAS - 2 * room - height);
    if (style == PEN)
        glyph_write(glyph, size, left, top, 3, &plane);
    else
        glyph_draw(glyph, size, left, top, &plane);
    double paper[3], colour[3];
    choose_colours(style, dice, paper, colour);
    for (size_t i = 0; i < (size_t)CANVAS * CANVAS; i++) {
        for (size_t c = 0; c < 3; c++)
            rgba[4 * i + c] = (uint8_t)lround(paper[c] + (colour[c] - paper[c]) * (double)ink[i]);
        rgba[4 * i + 3] = 255;
    }
}

static void print_canvas_tables(const struct tally tallies[STYLES][SIZES][PLACES])
{
    printf("%-14s", "style \\ size");
    for (size_t size = 0; size < SIZES; size++)
        printf("%7.0f", sizes[size]);
    printf("    all\n");
    for (size_t style = 0; style < STYLES; style++) {
        struct tally all = {0};
        printf("%-14s", style_names[style]);
        for (size_t size = 0; size < SIZES; size++) {
            struct tally row = {0};
            for (size_t place = 0; place < PLACES; place++) {
                row.count += tallies[style][size][place].count;
                row.correct += tallies[style][size][place].correct;
            }
            printf("%7.2f", tally_percent(&row));
            all.count += row.count;
            all.correct += row.correct;
        }
        printf("%7.2f\n", tally_percent(&all));
    }
    printf("\n%-14s\n", "place \\ size");
    for (size_t place = 0; place < PLACES; place++) {
        printf("%-6s %-7s", (const char *[]){"top", "middle", "bottom"}[place / 3],
               (const char *[]){"left", "centre", "right"}[place % 3]);
        for (size_t size = 0; size < SIZES; size++) {
            struct tally all = {0};
            for (size_t style = 0; style < STYLES; style++) {
                all.count += tallies[style][size][place].count;
                all.correct += tallies[style][size][place].correct;
            }
            printf("%7.2f", tally_percent(&all));
        }
        printf("\n");
    }
}

static void measure_canvas(struct judge *judge, const struct dataset *data, size_t count)
{
    static struct tally tallies[STYLES][SIZES][PLACES];
    static uint8_t rgba[4 * CANVAS * CANVAS];
    static struct glyph plain, thick;
    struct dice dice = {1};
    for (size_t i = 0; i < count; i++) {
        size_t index = spread_over(data, i, count);
        glyph_make(dataset_image(data, index), 0, &plain);
        glyph_make(dataset_image(data, index), 0.75, &thick);
        for (enum style style = 0; style < STYLES; style++)
            for (size_t size = 0; size < SIZES; size++)
                for (size_t place = 0; place < PLACES; place++) {
                    draw_canvas(style == THICKENED ? &thick : &plain, style, sizes[size], place, &dice, rgba);
                    judge_picture(judge, rgba, CANVAS, CANVAS, dataset_label(data, index),
                                  &tallies[style][size][place]);
                }
    }
    printf("%zu test digits on %dx%d canvases, percent read right\n", count, CANVAS, CANVAS);
    print_canvas_tables(tallies);
}

/* ---- Photographs ------------------------------------------------------------------------------------------- */

static void measure_photographs(struct judge *judge, const struct dataset *data, size_t count)
{
    static struct glyph glyph;
    struct dice dice = {1};
    printf("%zu test digits written on paper and photographed\n", count);
    for (enum paper paper = 0; paper < PAPERS; paper++) {
        struct tally tally = {0};
        for (size_t i = 0; i < count; i++) {
            size_t index = spread_over(data, i, count);
            uint8_t *rgba;
            int width, height;
            glyph_make(dataset_image(data, index), 0, &glyph);
            photograph_make(&glyph, paper, &dice, &width, &height, &rgba);
            judge_picture(judge, rgba, width, height, dataset_label(data, index), &tally);
            free(rgba);
        }
        printf("%-10s %7.2f %%   %zu without a digit found\n", paper_names[paper], tally_percent(&tally),
               tally.unread);
    }
}

/* ---- Folders ------------------------------------------------------------------------------------------------ */

static enum status read_file(const char *path, uint8_t **ret_bytes, size_t *ret_size, struct error *err)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    size_t size = file && bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    if (file)
        fclose(file);
    if (size > 0) {
        *ret_bytes = bytes;
        *ret_size = size;
        return OK;
    }
    free(bytes);
    return error_set(err, ERR_IO, "%s: cannot be read, or is empty", path);
}

static enum status judge_file(struct judge *judge, const char *path, int label, struct tally *tally,
                              struct error *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct pixels pixels;
    enum status status = read_file(path, &bytes, &size, err);
    if (status != OK)
        return status;
    status = png_decode(bytes, size, &pixels, err);
    free(bytes);
    if (status != OK)
        return status;
    size_t before = tally->correct;
    judge_picture(judge, pixels.rgba, pixels.width, pixels.height, label, tally);
    if (tally->correct == before)
        printf("wrong: %s\n", path);
    free(pixels.rgba);
    return OK;
}

static enum status measure_folder(struct judge *judge, const char *folder, struct error *err)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0)
        return error_set_errno(err, "%s", folder);
    struct tally tally = {0};
    enum status status = OK;
    for (int i = 0; i < count; i++) {
        char path[4096];
        const char *name = entries[i]->d_name;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (status == OK && name[0] >= '0' && name[0] <= '9' && name[1] == '_')
            status = judge_file(judge, path, name[0] - '0', &tally, err);
        free(entries[i]);
    }
    free(entries);
    if (status == OK)
        printf("%-50s %7.2f %% of %zu\n", folder, tally_percent(&tally), tally.count);
    return status;
}

/* ---- All --------------------------------------------------------------------------------------------------- */

static bool read_arguments(int argc, char **argv, struct settings *settings)
{
    if (argc < 4)
        return false;
    *settings = (struct settings){.model = argv[1], .data_dir = argv[2], .subject = argv[3], .count = 100};
    settings->folders = argv + 4;
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            settings->count = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--sheet") == 0 && i + 1 < argc)
            settings->sheet = argv[++i];
        else
            settings->folders[settings->folder_count++] = argv[i];
    }
    return settings->count > 0 && settings->count <= 10000;
}

static enum status measure_what_is_no_digit(const struct settings *settings, struct judge *judge,
                                            const struct dataset *digits, struct error *err)
{
    char path[4096];
    struct dataset *clothes;
    snprintf(path, sizeof path, "%s/fashion-mnist", settings->data_dir);
    enum status status = dataset_load(path, SPLIT_TEST, &clothes, err);
    if (status != OK)
        return status;
    const char *fonts = settings->folder_count ? settings->folders[0] : "/usr/share/hershey-fonts";
    status = measure_unlike(judge, digits, clothes, fonts, err);
    dataset_unref(clothes);
    return status;
}

static enum status measure(const struct settings *settings, struct judge *judge, struct error *err)
{
    enum status status = OK;
    if (strcmp(settings->subject, "folders") == 0) {
        for (size_t i = 0; i < settings->folder_count && status == OK; i++)
            status = measure_folder(judge, settings->folders[i], err);
        judge_print_confidences(judge);
        return status;
    }
    struct dataset *data;
    status = load_test_set(settings, &data, err);
    if (status != OK)
        return status;
    if (strcmp(settings->subject, "canvas") == 0)
        measure_canvas(judge, data, settings->count);
    else if (strcmp(settings->subject, "photographs") == 0)
        measure_photographs(judge, data, settings->count);
    else if (strcmp(settings->subject, "unlike") == 0)
        status = measure_what_is_no_digit(settings, judge, data, err);
    else
        status = error_set(err, ERR_ARGUMENT, "nothing is called \"%s\"", settings->subject);
    dataset_unref(data);
    return status;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct error err;
    if (!read_arguments(argc, argv, &settings)) {
        fprintf(stderr,
                "usage: accuracy MODEL DATASETS canvas|photographs|folders|unlike [FOLDER…] [--count N] "
                "[--sheet FILE.png]\n");
        return 2;
    }
    struct judge *judge = NULL;
    enum status status = engine_init(&err);
    if (status == OK)
        status = judge_create(settings.model, settings.sheet, &judge, &err);
    if (status == OK)
        status = measure(&settings, judge, &err);
    judge_free(judge);
    if (status == OK)
        return 0;
    fprintf(stderr, "accuracy: %s\n", err.message);
    return 1;
}
