/* The node program: CPython, the plugin and the modules that it needs, as one static executable.
 *
 * frozen.py compiles this file and links it with libpython. It also writes the two tables that are declared below. The
 * program reads no file of Python's: all modules are in it, and the search path is empty. It computes no paths either,
 * so that files beside the program (pyvenv.cfg, python311._pth) cannot change what it runs.
 *
 * If the program is started as `python3` (through a link of that name), it is an interpreter with the same modules, for
 * tests and for a look at a node: `python3 -c CODE`.
 */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <limits.h>
#include <malloc.h>
#include <nss.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

extern const struct _frozen nadmit_modules[];

#define HUGE_PAGE ((size_t)2 << 20)
#define ARENAS (4 * HUGE_PAGE)
#define HEAP ((int)HUGE_PAGE)

/* Linux 5.14. An older kernel refuses the advice, and the pages are made one by one. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* CNI 1.1 section 5: an error is JSON on stdout, and exit code 1. It ends without exit handlers, because the thread of
 * make_tls_ready may be at work in OpenSSL. */
static _Noreturn void fail(const char *what) {
    printf("{\"cniVersion\":\"1.0.0\",\"code\":999,\"msg\":\"nadmit: the program cannot be started: %s\"}\n", what);
    fflush(stdout);
    _exit(1);
}

/* Memory.
 *
 * A process of 15 ms has 1,500 page faults, a microsecond each on a virtual machine. Objects go into huge pages where
 * the kernel gives them (a fault for 512 pages), and the pages of variables are made in one call.
 */
static char *arenas, *arenas_end;

static void *arena_alloc(void *context, size_t size) {
    (void)context;
    if (arenas && size <= (size_t)(arenas_end - arenas)) {
        void *arena = arenas;
        arenas += size;
        return arena;
    }
    void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return arena == MAP_FAILED ? NULL : arena;
}

static void arena_free(void *context, void *arena, size_t size) {
    (void)context;
    munmap(arena, size);
}

static void prepare_memory(void) {
    extern char __data_start[], _end[];
    uintptr_t variables = (uintptr_t)__data_start & ~((uintptr_t)getauxval(AT_PAGESZ) - 1);
    madvise((void *)variables, (uintptr_t)_end - variables, MADV_POPULATE_WRITE);
    mallopt(M_TOP_PAD, HEAP);
    char *reserved = mmap(NULL, ARENAS + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reserved == MAP_FAILED) return;
    arenas = (char *)(((uintptr_t)reserved + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
    arenas_end = arenas + ARENAS;
    madvise(arenas, ARENAS, MADV_HUGEPAGE);
    PyObjectArenaAllocator allocator = {NULL, arena_alloc, arena_free};
    PyObject_SetArenaAllocator(&allocator);
}

/* TLS.
 *
 * OpenSSL does not read openssl.cnf, which belongs to the OpenSSL of the host and may name modules of it. The first
 * context of a process makes all algorithms known, 1.3 ms. ADD needs one as soon as its modules are loaded, so a second
 * thread makes it in the meantime. It has no signals, and ends by itself.
 */
static void *make_tls_ready(void *nothing) {
    SSL_CTX_free(SSL_CTX_new(TLS_client_method()));
    return nothing;
}

static void prepare_tls(void) {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    const char *verb = getenv("CNI_COMMAND");
    if (!verb || strcmp(verb, "ADD") != 0) return;
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_create(&thread, &attributes, make_tls_ready, NULL); /* without it, the context is made later */
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Paths: <top>/bin/<name>. sys.prefix is <top>, as in the form with modules on disk; the installer looks there. */
struct place {
    char program[PATH_MAX];
    char top[PATH_MAX];
};

static int find_place(struct place *place) {
    ssize_t length = readlink("/proc/self/exe", place->program, sizeof place->program - 1);
    if (length > 0) {
        place->program[length] = 0;
    } else { /* without /proc: the path that was executed */
        const char *executed = (const char *)getauxval(AT_EXECFN);
        if (!executed || !realpath(executed, place->program)) return -1;
    }
    strcpy(place->top, place->program);
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(place->top, '/');
        if (!slash) return -1;
        *slash = 0;
    }
    return 0;
}

/* os.setns, which Python has since 3.12. */
static PyObject *set_namespace(PyObject *module, PyObject *arguments) {
    int descriptor, kind = 0;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "i|i:setns", &descriptor, &kind)) return NULL;
    if (setns(descriptor, kind) < 0) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyMethodDef missing[] = {{"setns", set_namespace, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static int add_missing(void) {
    PyObject *posix = PyImport_ImportModule("posix");
    if (!posix) return -1;
    int result = PyModule_AddFunctions(posix, missing);
    Py_DECREF(posix);
    return result;
}

static PyStatus start_interpreter(int argc, char **argv, const struct place *place, int is_python) {
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    before.configure_locale = 0; /* utf8_mode alone decides */
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status)) return status;
    PyImport_FrozenModules = nadmit_modules;

    PyConfig config; /* the options -I -S -B */
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.write_bytecode = 0;
    config.pathconfig_warnings = 0;
    config.install_signal_handlers = 1; /* SIGPIPE is ignored */
    config.parse_argv = is_python;
    config.module_search_paths_set = 1;
    struct {
        wchar_t **field;
        const char *value;
    } texts[] = {
        {&config.program_name, place->program}, {&config.executable, place->program},
        {&config.base_executable, place->program}, {&config.prefix, place->top},
        {&config.base_prefix, place->top}, {&config.exec_prefix, place->top},
        {&config.base_exec_prefix, place->top}, {&config.stdlib_dir, ""},
    };
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) {
        status = PyConfig_SetBytesString(&config, texts[index].field, texts[index].value);
        if (PyStatus_Exception(status)) goto done;
    }
    status = PyConfig_SetBytesArgv(&config, argc, argv);
    if (PyStatus_Exception(status)) goto done;
    config._init_main = is_python;
    status = Py_InitializeFromConfig(&config);
    if (PyStatus_Exception(status) || is_python) goto done;
    PyGC_Disable(); /* as `process` does; here it saves the collections of the start, 0.2 ms */
    status = _Py_InitializeMain();
done:
    PyConfig_Clear(&config);
    return status;
}

/* Called instead of functions of libpython (ld --wrap). Everything that getpath.py would compute is set above, and
 * there is no archive to import from. Both together take 0.4 ms. */
PyStatus __wrap__PyConfig_InitPathConfig(PyConfig *config, int compute) {
    (void)config, (void)compute;
    return PyStatus_Ok();
}

PyStatus __wrap__PyImportZip_Init(void *thread) {
    (void)thread;
    return PyStatus_Ok();
}

int main(int argc, char **argv) {
    struct place place;
    char *by_name[] = {NULL, NULL};
    prepare_memory();
    prepare_tls();
    /* A static program cannot load the modules of nsswitch.conf, which belong to the libc of the host. */
    __nss_configure_lookup("hosts", "files dns");
    if (find_place(&place) < 0) fail("its own path is not known");
    if (argc < 1) { /* Linux before 5.18 allows it */
        by_name[0] = place.program;
        argc = 1, argv = by_name;
    }
    const char *slash = strrchr(argv[0], '/');
    int is_python = strcmp(slash ? slash + 1 : argv[0], "python3") == 0;
    PyStatus status = start_interpreter(argc, argv, &place, is_python);
    if (PyStatus_Exception(status)) fail(status.err_msg ? status.err_msg : "no memory");
    if (add_missing() < 0) {
        PyErr_Print();
        fail("posix cannot be changed");
    }
    if (is_python) return Py_RunMain();
    PyObject *module = PyImport_ImportModule("cniplugin.__main__");
    PyObject *result = module ? PyObject_CallMethod(module, "process", NULL) : NULL; /* ends the process */
    if (!result) PyErr_Print();
    fail("the plugin does not run; stderr says why");
}
