/* Preloaded: the time of the wall is ahead of the true one by as many seconds as the file CLOCK_AHEAD says (8 bytes, mapped). */
struct moment { long seconds, fraction; };
extern void *dlsym(void *, const char *);
extern char *getenv(const char *);
extern int open(const char *, int, ...);
extern int close(int);
extern void *mmap(void *, unsigned long, int, int, int, long);
static long *ahead;

static long seconds_ahead(void) {
    if (!ahead) {
        char *path = getenv("CLOCK_AHEAD");
        int file = path ? open(path, 02000000) : -1; /* O_CLOEXEC */
        void *mapped = file < 0 ? (void *)-1 : mmap(0, 8, 1, 1, file, 0);
        close(file);
        if (mapped == (void *)-1) return 0;
        ahead = mapped;
    }
    return *ahead;
}

int clock_gettime(int clock, struct moment *now) {
    static int (*true_time)(int, struct moment *);
    if (!true_time) true_time = dlsym((void *)-1, "clock_gettime");
    int code = true_time(clock, now);
    if (!code && (clock == 0 || clock == 5)) now->seconds += seconds_ahead(); /* CLOCK_REALTIME, and its coarse one */
    return code;
}

int gettimeofday(struct moment *now, void *zone) {
    int code = clock_gettime(0, now);
    now->fraction /= 1000;
    return code;
}

long time(long *seconds) {
    struct moment now;
    clock_gettime(0, &now);
    if (seconds) *seconds = now.seconds;
    return now.seconds;
}
