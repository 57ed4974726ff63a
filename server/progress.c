#include "server/progress.h"
#include "server/format.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECONDS_BETWEEN_BARS  0.1
#define SECONDS_BETWEEN_LINES 10.0
#define LONGEST_BAR           40
#define SHORTEST_BAR          10
#define DEFAULT_COLUMNS       80

struct progress progress_begin(FILE *stream, double now)
{
    struct progress progress = {.stream = stream, .terminal = isatty(fileno(stream)), .shown = now};
    if (progress.terminal)
        progress.shown = now - SECONDS_BETWEEN_BARS; /* at once; the first line of a file can wait */
    return progress;
}

static int terminal_columns(FILE *stream)
{
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : DEFAULT_COLUMNS;
}

/* "  45%  5,321 images/s  1:05 left" */
static void describe(const struct progress_state *state, char *ret_text, size_t size)
{
    char number[FORMAT_SIZE];
    size_t used = (size_t)snprintf(ret_text, size, "%3.0f%%", floor(state->fraction * 100));
    if (!isnan(state->rate))
        used += (size_t)snprintf(ret_text + used, size - used, "  %s images/s",
                                 format_count(state->rate, number));
    if (!isnan(state->seconds_left))
        snprintf(ret_text + used, size - used, "  %s left", format_duration(state->seconds_left, number));
}

static void draw_bar(const struct progress *progress, const char *label, double fraction, const char *text)
{
    static const char filled[LONGEST_BAR + 1] = "========================================";
    int taken = (int)(strlen(label) + strlen(text) + strlen(" [] "));
    int width =
        terminal_columns(progress->stream) - 1 - taken; /* the last column makes some terminals wrap */
    width = width > LONGEST_BAR ? LONGEST_BAR : width;
    /* \033[K clears what a longer text left behind */
    if (width < SHORTEST_BAR) {
        fprintf(progress->stream, "\r%s\033[K", text);
    } else {
        int done = (int)(fmin(fmax(fraction, 0), 1) * width);
        fprintf(progress->stream, "\r%s [%.*s%*s] %s\033[K", label, done, filled, width - done, "", text);
    }
}

void progress_show(struct progress *progress, const struct progress_state *state, double now)
{
    if (now - progress->shown < (progress->terminal ? SECONDS_BETWEEN_BARS : SECONDS_BETWEEN_LINES))
        return;
    char text[3 * FORMAT_SIZE];
    describe(state, text, sizeof text);
    progress->shown = now;
    if (progress->terminal)
        draw_bar(progress, state->label, state->fraction, text);
    else
        fprintf(progress->stream, "%s  %s\n", state->label, text);
    progress->bar_shown = progress->terminal;
    fflush(progress->stream);
}

void progress_clear(struct progress *progress)
{
    if (progress->bar_shown)
        fputs("\r\033[K", progress->stream);
    progress->bar_shown = false;
    fflush(progress->stream);
}

void progress_print(struct progress *progress, const char *format, ...)
{
    va_list arguments;
    progress_clear(progress);
    va_start(arguments, format);
    vfprintf(progress->stream, format, arguments);
    va_end(arguments);
    fputc('\n', progress->stream);
    fflush(progress->stream);
}
