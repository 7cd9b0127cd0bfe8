// Which fault of a mutant schema is active in models made from now on (cosim/mutation/source.py).

#ifndef SYSTOLAB_MUTANTS_H_
#define SYSTOLAB_MUTANTS_H_

#ifdef SYSTOLAB_MUTANTS
static int selected_mutant = 0;
extern "C" int systolab_selected_mutant() { return selected_mutant; }
extern "C" void systolab_select_mutant(int number) { selected_mutant = number; }
#endif

#endif  // SYSTOLAB_MUTANTS_H_
