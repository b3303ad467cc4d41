/* A snapshot: the memory of the node program after the modules of the verbs were loaded, in a file.
 *
 * Without it, each call of the plugin makes an interpreter and executes the same modules as the call before, a third of
 * its time. With it, the process maps the file over its memory, and reads the pages that it touches. `nadmit
 * --write-snapshot FILE` writes it, once for each node, so that the seed of hashes is not that of another node. It is a
 * cache: without it, the program does the same in more time.
 *
 * In it are the variables of libpython and of the extension modules, which snapshot.ld puts side by side, and all memory
 * that was allocated until then. Not in it are the variables of libc and of OpenSSL, which start afresh in each process.
 * That works because these have no pointers into the memory of the snapshot, and because what the snapshot says of the
 * process that wrote it is replaced: thread, locks and signals (renew), environment and arguments (program.c).
 *
 * The program has a fixed address, and while it makes a snapshot, it allocates at a fixed address too. It uses a file
 * only if itself wrote it, by the build ID, and only if nobody but its owner can change the file.
 */

#define _GNU_SOURCE
#include "snapshot.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE
#include <Python.h>
#include <internal/pycore_runtime.h>

/* Linux 4.17 and 5.14. An older kernel takes the address as a wish, and refuses the advice. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE ((size_t)4096)
#define HUGE_PAGE ((size_t)2 << 20)
#define HEAP ((int)HUGE_PAGE)

/* Two areas at an address where a kernel puts nothing by itself: above a program and its heap, and below everything that
 * is mapped without an address, also with 39 bits of addresses. */
#define AREAS ((char *)0x1000000000)
#define AREA_SIZE (4 * HUGE_PAGE)

extern char nadmit_variables[], nadmit_variables_end[]; /* snapshot.ld */

/* An area, of which the part until `next` is in use. */
struct area {
    char *start, *next, *end;
};

static struct area blocks, arenas;
static int is_writing;
static char *pristine; /* the variables at the start of a process that will write a snapshot */

static size_t whole_pages(size_t size) { return (size + PAGE - 1) / PAGE * PAGE; }

static void *take(struct area *area, size_t size) {
    if (size > (size_t)(area->end - area->next)) return NULL;
    void *taken = area->next;
    area->next += size;
    return taken;
}

static int is_in(const struct area *area, const void *address) {
    return (const char *)address >= area->start && (const char *)address < area->end;
}

/* Arenas, of which Python makes objects. They go into huge pages where the kernel gives them: a process without a
 * snapshot has 1,000 page faults for them otherwise, a microsecond each on a virtual machine. */
static void *arena_alloc(void *context, size_t size) {
    (void)context;
    void *arena = take(&arenas, size);
    if (arena || is_writing) return arena;
    arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return arena == MAP_FAILED ? NULL : arena;
}

static void arena_free(void *context, void *arena, size_t size) {
    (void)context;
    if (!is_in(&arenas, arena)) munmap(arena, size);
}

/* Blocks. The linker has all calls of malloc come here (ld --wrap). A process that writes a snapshot takes them from its
 * area, each behind a head with its size. After the snapshot, such a block is never used again once it is free. */
void *__real_malloc(size_t), *__real_calloc(size_t, size_t), *__real_realloc(void *, size_t);
void __real_free(void *);
void *__wrap_malloc(size_t), *__wrap_calloc(size_t, size_t), *__wrap_realloc(void *, size_t);
void __wrap_free(void *);

#define UNIT ((size_t)16) /* of sizes, and the size of a head */
#define UNITS_MAX 1024
static char *given_back[UNITS_MAX]; /* by size in units, while a snapshot is made; each block has the next one's address */

static size_t *head_of(void *block) { return (size_t *)((char *)block - UNIT); }

static size_t units_of(size_t size) { return size ? (size + UNIT - 1) / UNIT : 1; }

static void *take_block(size_t size) {
    char *block = NULL;
    if (size <= AREA_SIZE) {
        size_t units = units_of(size);
        if (units < UNITS_MAX && (block = given_back[units]))
            given_back[units] = *(char **)block;
        else if ((block = take(&blocks, UNIT + UNIT * units)))
            block += UNIT;
    }
    if (block)
        *head_of(block) = size;
    else
        errno = ENOMEM;
    return block;
}

static void give_back(void *block) {
    size_t units = units_of(*head_of(block));
    if (units >= UNITS_MAX) return;
    *(char **)block = given_back[units];
    given_back[units] = block;
}

void *__wrap_malloc(size_t size) { return is_writing ? take_block(size) : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) {
    if (!is_writing) return __real_calloc(count, size);
    void *block = size && count > AREA_SIZE / size ? NULL : take_block(count * size);
    return block ? memset(block, 0, count * size) : NULL;
}

void *__wrap_realloc(void *block, size_t size) {
    if (!is_writing && !is_in(&blocks, block)) return __real_realloc(block, size);
    void *other = __wrap_malloc(size);
    if (other && block) {
        size_t had = *head_of(block);
        memcpy(other, block, had < size ? had : size);
        __wrap_free(block);
    }
    return other;
}

void __wrap_free(void *block) {
    if (!is_in(&blocks, block))
        __real_free(block);
    else if (is_writing)
        give_back(block);
}

static int reserve(void) {
    if (getauxval(AT_PAGESZ) != PAGE) return -1;
    char *start = mmap(AREAS, 2 * AREA_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (start == MAP_FAILED) return -1;
    if (start != AREAS) {
        munmap(start, 2 * AREA_SIZE);
        return -1;
    }
    madvise(start, 2 * AREA_SIZE, MADV_HUGEPAGE);
    blocks = (struct area){start, start, start + AREA_SIZE};
    arenas = (struct area){blocks.end, blocks.end, blocks.end + AREA_SIZE};
    return 0;
}

void snapshot_prepare(int is_writer) {
    mallopt(M_TOP_PAD, HEAP);
    if (reserve() < 0) return; /* without an area, nothing is different but the time */
    size_t size = nadmit_variables_end - nadmit_variables;
    if (is_writer && (pristine = malloc(size))) {
        memcpy(pristine, nadmit_variables, size);
        is_writing = 1;
    }
    PyObjectArenaAllocator allocator = {NULL, arena_alloc, arena_free};
    PyObject_SetArenaAllocator(&allocator);
}

void snapshot_populate(void) {
    madvise(nadmit_variables, nadmit_variables_end - nadmit_variables, MADV_POPULATE_WRITE);
}

/* The file: a header, and then the pages of its runs. */
struct run {
    char *start;
    size_t size;
};

#define MAGIC "nadmit snapshot"
#define BUILD_SIZE 20
#define RUNS_MAX 200

static struct header {
    char magic[sizeof MAGIC];
    unsigned char build[BUILD_SIZE];
    char *next_block, *next_arena;
    size_t size; /* of the file */
    size_t count;
    struct run runs[RUNS_MAX];
} __attribute__((aligned(4096))) header;

/* Return the build ID of this program (ld --build-id=sha1), or NULL. */
static const unsigned char *own_build(void) {
    extern const ElfW(Ehdr) __ehdr_start;
    const ElfW(Phdr) *segment = (const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
    for (int left = __ehdr_start.e_phnum; left; left--, segment++) {
        if (segment->p_type != PT_NOTE) continue;
        const char *at = (const char *)segment->p_vaddr, *end = at + segment->p_memsz;
        while (at < end) {
            const ElfW(Nhdr) *note = (const void *)at;
            const char *name = at + sizeof *note, *content = name + ((note->n_namesz + 3) & ~3u);
            if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz == BUILD_SIZE && !strcmp(name, "GNU"))
                return (const unsigned char *)content;
            at = content + ((note->n_descsz + 3) & ~3u);
        }
    }
    return NULL;
}

static int add_run(char *start, char *end) {
    struct run *last = header.count ? &header.runs[header.count - 1] : NULL;
    if (last && start == last->start + last->size) {
        last->size += whole_pages(end - start);
        return 0;
    }
    if (header.count == RUNS_MAX) return -1;
    header.runs[header.count++] = (struct run){start, whole_pages(end - start)};
    return 0;
}

/* Enter the pages that are not as at the start of each process. */
static int add_runs(void) {
    for (char *page = nadmit_variables; page < nadmit_variables_end; page += PAGE)
        if (memcmp(pristine + (page - nadmit_variables), page, PAGE) && add_run(page, page + PAGE) < 0) return -1;
    return add_run(blocks.start, blocks.next) < 0 || add_run(arenas.start, arenas.next) < 0 ? -1 : 0;
}

static int write_all(int file, const void *data, size_t size) {
    for (const char *at = data; size;) {
        ssize_t written = write(file, at, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return -1;
        at += written, size -= written;
    }
    return 0;
}

static int write_file(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return -1;
    int result = write_all(file, &header, sizeof header);
    for (size_t index = 0; !result && index < header.count; index++)
        result = write_all(file, header.runs[index].start, header.runs[index].size);
    if (fsync(file) < 0) result = -1;
    if (close(file) < 0) result = -1;
    return result;
}

const char *snapshot_write(const char *path) {
    const unsigned char *build = own_build();
    if (!is_writing) return "the place of its memory is taken";
    if (!build) return "the program has no build ID";
    memcpy(header.magic, MAGIC, sizeof MAGIC);
    memcpy(header.build, build, BUILD_SIZE);
    header.next_block = blocks.start + whole_pages(blocks.next - blocks.start);
    header.next_arena = arenas.next;
    if (add_runs() < 0) return "it has too many parts";
    header.size = sizeof header;
    for (size_t index = 0; index < header.count; index++) header.size += header.runs[index].size;
    return write_file(path) < 0 ? strerror(errno) : NULL;
}

/* Say whether the file is a snapshot of this program that nobody else can change; its header is read then. */
static int is_own(int file) {
    struct stat about;
    const unsigned char *build = own_build();
    return build && fstat(file, &about) == 0 && S_ISREG(about.st_mode) && !(about.st_mode & 022) &&
           (about.st_uid == 0 || about.st_uid == geteuid()) &&
           pread(file, &header, sizeof header, 0) == (ssize_t)sizeof header &&
           !memcmp(header.magic, MAGIC, sizeof MAGIC) && !memcmp(header.build, build, BUILD_SIZE) &&
           header.size == (size_t)about.st_size;
}

/* Map the runs; return 1, 0 if nothing was mapped, or -1 if only some were. NB: a node may forbid the first, by SELinux. */
static int map_runs(int file) {
    off_t at = sizeof header;
    for (size_t index = 0; index < header.count; index++) {
        const struct run *run = &header.runs[index];
        void *mapped = mmap(run->start, run->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, at);
        if (mapped == MAP_FAILED) return index ? -1 : 0;
        at += run->size;
    }
    return 1;
}

/* Replace what the snapshot says of the process that wrote it: the thread, its key, locks and signals. */
static int renew(void) {
    const Py_tss_t unset = Py_tss_NEEDS_INIT;
    PyThreadState *thread = _PyThreadState_UncheckedGet();
    _PyRuntime.gilstate.autoTSSkey = unset;
    if (PyThread_tss_create(&_PyRuntime.gilstate.autoTSSkey)) return -1;
    if (PyThread_tss_set(&_PyRuntime.gilstate.autoTSSkey, thread)) return -1;
    thread->thread_id = PyThread_get_thread_ident();
    PyOS_AfterFork_Child();
    PyOS_setsig(SIGPIPE, SIG_IGN);
    PyOS_setsig(SIGXFSZ, SIG_IGN);
    return 0;
}

int snapshot_resume(const char *path) {
    int result = 0, file = blocks.start ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (file < 0) return 0;
    if (is_own(file)) result = map_runs(file);
    close(file);
    if (result > 0) {
        blocks.next = header.next_block;
        arenas.next = header.next_arena;
        if (renew() < 0) result = -1;
    }
    return result;
}
