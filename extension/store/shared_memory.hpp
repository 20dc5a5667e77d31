#pragma once
// Memory that all processes of the server share. It exists only if the module was preloaded.

#include "pg.hpp"

#include <type_traits>

namespace pdpp::store {

/// One T for the server, under the name T::name. A crash of the server makes it anew: zeroed, then T::initialise().
template <typename T>
class SharedMemory {
  public:
    /// Asks for it; from _PG_init, while preloading.
    static void request() {
        pg::request_shared_memory(sizeof(T));
        earlier_hook_ = shmem_startup_hook;
        shmem_startup_hook = attach;
    }

    /// A null pointer if there is none.
    static T* get() { return shared_; }

  private:
    static void attach() {
        if (earlier_hook_ != nullptr) {
            earlier_hook_();
        }
        bool found = false;
        LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
        shared_ = static_cast<T*>(ShmemInitStruct(T::name, sizeof(T), &found));
        if (!found) {
            memset(static_cast<void*>(shared_), 0, sizeof(T));
            shared_->initialise();
        }
        LWLockRelease(AddinShmemInitLock);
    }

    static inline T* shared_ = nullptr;
    static inline shmem_startup_hook_type earlier_hook_ = nullptr;
};

/// Calls body() under a spinlock: a few instructions that cannot fail.
template <typename Body>
auto locked(slock_t& mutex, Body body) {
    SpinLockAcquire(&mutex);
    if constexpr (std::is_void_v<decltype(body())>) {
        body();
        SpinLockRelease(&mutex);
    } else {
        const auto result = body();
        SpinLockRelease(&mutex);
        return result;
    }
}

} // namespace pdpp::store
