#include "tests/accuracy/unlike.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/accuracy/confidence.h"
#include "tests/accuracy/dice.h"

#define POINTS_MAX 1024

static void judge_set(struct judge *judge, const struct dataset *data, const char *name)
{
    struct confidences count = {0};
    for (size_t i = 0; i < dataset_count(data); i += 5)
        confidences_add(&count, judge_confidence(judge, dataset_image(data, i)));
    confidences_print(name, &count);
}

/* ---- Letters: https://emergent.unpythonic.net/software/hershey has the format ---- */

/* A line of a .jhf file: number, count of pairs, the letter's sides, then pairs of coordinates around R; " R" lifts the pen. */
static size_t read_letter(const char *line, struct stroke_point points[POINTS_MAX])
{
    size_t count = 0;
    bool starts = true;
    if (strlen(line) < 10)
        return 0;
    for (const char *pair = line + 10; pair[0] >= ' ' && pair[1] >= ' ' && count < POINTS_MAX; pair += 2) {
        if (pair[0] == ' ' && pair[1] == 'R') {
            starts = true;
            continue;
        }
        points[count++] = (struct stroke_point){(float)(pair[0] - 'R'), (float)(pair[1] - 'R'), starts};
        starts = false;
    }
    return count;
}

static enum status judge_font(struct judge *judge, const char *path, struct confidences *alike,
                              struct confidences *others, struct error *err)
{
    static const char like_digits[] = "OoDQIilLjJZzSsBbGgqTtyrU";
    char line[4096];
    struct stroke_point points[POINTS_MAX];
    uint8_t image[IMAGE_PIXELS];
    FILE *file = fopen(path, "r");
    if (!file)
        return error_set_errno(err, "%s", path);
    for (int letter = ' '; fgets(line, sizeof line, file); letter++) {
        bool is_letter = (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z');
        size_t count = is_letter ? read_letter(line, points) : 0;
        if (count > 0 && drawing_from_strokes(points, count, image, NULL) == OK)
            confidences_add(strchr(like_digits, letter) ? alike : others, judge_confidence(judge, image));
    }
    fclose(file);
    return OK;
}

static enum status judge_letters(struct judge *judge, const char *font_dir, struct error *err)
{
    static const char *const fonts[] = {"futural", "futuram", "rowmans", "rowmand", "rowmant", "scripts",
                                        "scriptc", "cursive", "timesr",  "timesi",  "timesg",  "timesib"};
    struct confidences alike = {0}, others = {0};
    for (size_t i = 0; i < sizeof fonts / sizeof *fonts; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.jhf", font_dir, fonts[i]);
        enum status status = judge_font(judge, path, &alike, &others, err);
        if (status != OK)
            return status;
    }
    confidences_print("letters much like digits", &alike);
    confidences_print("other letters", &others);
    return OK;
}

/* ---- Scribbles ---- */

static void judge_scribbles(struct judge *judge)
{
    struct dice dice = {7};
    struct confidences scribbles = {0}, noise = {0};
    uint8_t image[IMAGE_PIXELS];
    for (int i = 0; i < 500; i++) {
        struct stroke_point points[64];
        int count = 8 + dice_below(&dice, 40);
        double x = 0, y = 0, angle = 0;
        for (int j = 0; j < count; j++) {
            angle += dice_between(&dice, -1.8, 1.8);
            x += cos(angle);
            y += sin(angle);
            points[j] = (struct stroke_point){(float)x, (float)y, dice_below(&dice, 12) == 0};
        }
        if (drawing_from_strokes(points, (size_t)count, image, NULL) == OK)
            confidences_add(&scribbles, judge_confidence(judge, image));
        for (size_t j = 0; j < IMAGE_PIXELS; j++)
            image[j] = (uint8_t)dice_below(&dice, 256);
        confidences_add(&noise, judge_confidence(judge, image));
    }
    confidences_print("scribbles", &scribbles);
    confidences_print("noise", &noise);
}

enum status measure_unlike(struct judge *judge, const struct dataset *digits, const struct dataset *clothes,
                           const char *font_dir, struct error *err)
{
    confidences_print_heading();
    judge_set(judge, digits, "test digits");
    judge_set(judge, clothes, "clothes");
    judge_scribbles(judge);
    return judge_letters(judge, font_dir, err);
}
