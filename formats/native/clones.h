/* Compile a function once per instruction set and choose when the library is loaded. */
#ifndef SYSTOLAB_CLONES_H
#define SYSTOLAB_CLONES_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#endif
