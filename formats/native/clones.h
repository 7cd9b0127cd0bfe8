/* Compile a function once per instruction set and choose when the library is loaded.  Defining
 * SYSTOLAB_TARGETS as 0 leaves only the baseline, as on other processors: the tests do. */
#ifndef SYSTOLAB_CLONES_H
#define SYSTOLAB_CLONES_H

#ifndef SYSTOLAB_TARGETS
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define SYSTOLAB_TARGETS 1
#else
#define SYSTOLAB_TARGETS 0
#endif
#endif

#if SYSTOLAB_TARGETS && !defined(SYSTOLAB_NO_AVX512)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#elif SYSTOLAB_TARGETS
#define CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#endif
