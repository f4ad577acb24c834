#include "supervisor/supctl_top.h"

#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ncurses.h>
#include <term.h>
#undef columns /* one of the many words that it takes */

#include "common/clock.h"
#include "common/exit.h"
#include "common/mem.h"

#include "supervisor/supctl.h"

#define EVERY_MS     1000
#define ASK_MS       1000 /* keys wait for it */
#define TABLE_AT     3    /* the line of its titles */
#define NAME_COLUMNS 16   /* on a narrow screen other columns go first */

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static volatile sig_atomic_t ended_by; /* 0: none of them */

struct top {
    struct supctl *ctl;
    struct value status;
    char note[200]; /* what is wrong at the moment, "" = nothing */
    size_t view, sort_at[TOP_N_VIEWS], offset;
    bool reverse[TOP_N_VIEWS];
    sigset_t unblocked; /* while waiting */
    int code;           /* -1: go on */
    struct supctl_error error;
};

/* ---- the screen ------------------------------------------------------------------ */

static void put_line(int y, const char *text)
{
    move(y, 0);
    addnstr(text, COLS); /* bytes: never more columns than there are */
    clrtoeol();
}

static unsigned width_of(const struct top_view *view, size_t i)
{
    unsigned others = 0;

    if (view->columns[i].width != 0)
        return view->columns[i].width;
    for (size_t j = 0; j < view->n_columns; j++)
        others += view->columns[j].width + (j > 0);
    if ((unsigned)COLS > others + NAME_COLUMNS)
        return (unsigned)COLS - others;
    return COLS < NAME_COLUMNS ? (unsigned)COLS : NAME_COLUMNS;
}

/* Of a record, or of the titles (NULL). */
static void put_row(const struct top *top, int y, const struct value *record)
{
    const struct top_view *view = &top_views[top->view];
    int x = 0;

    move(y, 0);
    clrtoeol();
    for (size_t i = 0; i < view->n_columns; i++) {
        unsigned width = width_of(view, i);
        char *cell = top_cell(record, &view->columns[i].column, width);

        if (x + (int)width > COLS) {
            free(cell);
            break;
        }
        if (record == NULL && i == top->sort_at[top->view])
            attron(A_UNDERLINE);
        mvaddstr(y, x, cell);
        attroff(A_UNDERLINE);
        x += (int)width + 1;
        free(cell);
    }
}

static void put_table(struct top *top)
{
    const struct top_view *view = &top_views[top->view];
    struct value *list = value_get(&top->status, view->key);
    size_t n = value_list_n(list);

    top_sort(list, &view->columns[top->sort_at[top->view]], top->reverse[top->view]);
    if (top->offset >= n)
        top->offset = n > 0 ? n - 1 : 0;
    attron(A_REVERSE);
    put_row(top, TABLE_AT, NULL);
    mvchgat(TABLE_AT, 0, -1, A_REVERSE, 0, NULL);
    attroff(A_REVERSE);
    for (int y = TABLE_AT + 1; y < LINES - 1; y++) {
        size_t i = top->offset + (size_t)(y - TABLE_AT - 1);

        if (i < n)
            put_row(top, y, &list->as.list.items[i]);
        else
            put_line(y, "");
    }
}

static void draw(struct top *top)
{
    char first[400], second[400], keys[120];

    top_head(&top->status, first, second, sizeof(first));
    erase();
    attron(A_BOLD);
    put_line(0, first);
    attroff(A_BOLD);
    put_line(1, second);
    put_line(2, top->note);
    put_table(top);
    snprintf(
        keys, sizeof(keys),
        "%s | p pools  t times  w workers  s services | < > sort  r reverse | q quit",
        top_views[top->view].name);
    put_line(LINES - 1, keys);
    refresh();
}

/* ---- the supervisor -------------------------------------------------------------- */

/* No answer for a while is worth a line; an end is the end. */
static void ask(struct top *top)
{
    struct value args = value_list(), status;
    struct supctl_error error = {0};

    if (supctl_client_call(top->ctl->client, "@system.status", &args, NULL, ASK_MS,
                           NULL, NULL, &status, &error) == 0) {
        value_finish(&top->status);
        top->status = status;
        top->note[0] = '\0';
    } else if (error.unreachable) {
        top->error = error;
        top->code = EXIT_UNREACHABLE;
        error = (struct supctl_error){0};
    } else {
        snprintf(top->note, sizeof(top->note), "%s: figures are old", error.kind);
    }
    supctl_error_finish(&error);
    value_finish(&args);
}

/* ---- keys ------------------------------------------------------------------------ */

static void show_view(struct top *top, size_t view)
{
    top->view = view;
    top->offset = 0;
}

static void move_sort(struct top *top, int by)
{
    size_t n = top_views[top->view].n_columns;

    top->sort_at[top->view] = (top->sort_at[top->view] + n + (size_t)by) % n;
}

static void scroll_by(struct top *top, int by)
{
    if (by < 0 && top->offset < (size_t)-by)
        top->offset = 0;
    else
        top->offset += (size_t)by; /* put_table() keeps it in bounds */
}

static void take_key(struct top *top, int key)
{
    switch (key) {
    case 'q':
        top->code = EXIT_OK;
        break;
    case 'p':
    case 't':
    case 'w':
    case 's':
        show_view(top, (size_t)(strchr("ptws", key) - "ptws"));
        break;
    case '\t':
        show_view(top, (top->view + 1) % TOP_N_VIEWS);
        break;
    case '<':
    case KEY_LEFT:
        move_sort(top, -1);
        break;
    case '>':
    case KEY_RIGHT:
        move_sort(top, 1);
        break;
    case 'r':
        top->reverse[top->view] = !top->reverse[top->view];
        break;
    case KEY_RESIZE: /* terminals move their text around then */
        clearok(curscr, TRUE);
        break;
    case KEY_UP:
    case 'k':
        scroll_by(top, -1);
        break;
    case KEY_DOWN:
    case 'j':
        scroll_by(top, 1);
        break;
    case KEY_PPAGE:
        scroll_by(top, -(LINES - TABLE_AT - 2));
        break;
    case KEY_NPAGE:
        scroll_by(top, LINES - TABLE_AT - 2);
        break;
    }
}

/* ---- life ------------------------------------------------------------------------ */

static void on_end(int signal_number)
{
    ended_by = signal_number;
}

/* A signal comes in ppoll() or not at all. Those of ncurses, for a new size and for
 * stopping, stay with it. */
static void take_signals(struct top *top)
{
    struct sigaction action = {.sa_handler = on_end};
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < N_ELEMENTS(ends); i++) {
        sigaction(ends[i], &action, NULL);
        sigaddset(&blocked, ends[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &top->unblocked);
    for (size_t i = 0; i < N_ELEMENTS(ends); i++)
        sigdelset(&top->unblocked, ends[i]);
}

/* Until a key, a signal, another size, or the time. */
static void wait_until(struct top *top, uint64_t at_ms)
{
    uint64_t now_ms = clock_monotonic_ms();
    int64_t left_ms = at_ms > now_ms ? (int64_t)(at_ms - now_ms) : 0;
    struct timespec left = {left_ms / 1000, left_ms % 1000 * 1000000};
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int key;

    if (ppoll(&input, 1, &left, &top->unblocked) == 1 && (input.revents & POLLIN) == 0)
        ended_by = SIGHUP; /* the terminal is gone */
    while (ended_by == 0 && top->code == -1 && (key = getch()) != ERR)
        take_key(top, key);
}

static void run(struct top *top)
{
    uint64_t next_ms = 0;

    while (top->code == -1 && ended_by == 0) {
        if (clock_monotonic_ms() >= next_ms) {
            next_ms = clock_monotonic_ms() + EVERY_MS;
            ask(top);
        }
        if (top->code == -1) {
            draw(top);
            wait_until(top, next_ms);
        }
    }
}

/* newterm() keeps what it has allocated when it can't use a terminal. */
static bool knows_terminal(void)
{
    int found;

    if (setupterm(NULL, STDOUT_FILENO, &found) != OK)
        return false;
    del_curterm(cur_term);
    return true;
}

static int run_on_screen(struct top *top)
{
    SCREEN *screen;

    setlocale(LC_CTYPE, "");
    take_signals(top);
    screen = knows_terminal() ? newterm(NULL, stdout, stdin) : NULL;
    if (screen == NULL)
        return supctl_fail_text(top->ctl, ERR_INVALID,
                                "top can't use a terminal of type '%s'",
                                getenv("TERM") != NULL ? getenv("TERM") : "");
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    run(top);
    endwin();
    delscreen(screen);
    if (ended_by != 0) { /* as if it had never been caught */
        signal(ended_by, SIG_DFL);
        sigprocmask(SIG_SETMASK, &top->unblocked, NULL);
        raise(ended_by);
    }
    return top->code == EXIT_UNREACHABLE ? supctl_fail(top->ctl, &top->error)
                                         : top->code;
}

int supctl_run_top(struct supctl *ctl)
{
    struct top top = {.ctl = ctl, .code = -1};
    int code;

    if (ctl->json || isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1) {
        fputs("supctl: top needs a terminal; 'supctl status --json' tells programs the "
              "same\n",
              stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < TOP_N_VIEWS; i++)
        top.sort_at[i] = top_views[i].sort_at;
    ctl->client = supctl_client_connect(ctl->control, &top.error);
    code = ctl->client != NULL ? run_on_screen(&top) : supctl_fail(ctl, &top.error);
    supctl_error_finish(&top.error);
    value_finish(&top.status);
    return code;
}
