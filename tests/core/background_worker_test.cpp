// BackgroundWorker: order, bound, errors.
#include "core/background_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace schedbench {
namespace {

TEST(BackgroundWorker, DoesEveryJobOnceInOrder) {
    for (const size_t depth : {1u, 2u, 7u}) {
        std::vector<int> done;
        BackgroundWorker worker(depth);
        for (int job = 0; job < 500; ++job) worker.add([&done, job] { done.push_back(job); });
        worker.finish();
        std::vector<int> expected(500);
        std::iota(expected.begin(), expected.end(), 0);
        EXPECT_EQ(done, expected);
        worker.add([&done] { done.clear(); });
        worker.finish();
        EXPECT_TRUE(done.empty());
    }
}

TEST(BackgroundWorker, HoldsAtMostDepthJobsAndRunsBeside) {
    BackgroundWorker worker(2);
    std::atomic<bool> release{false};
    std::atomic<int> started{0}, added{0};
    std::thread giver([&] {
        for (int job = 0; job < 5; ++job) {
            worker.add([&] {
                ++started;
                while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            });
            ++added;
        }
    });
    // Two are taken while the first is still at work; a third never is.
    while (added < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(added, 2);
    EXPECT_EQ(started, 1);
    release = true;
    giver.join();
    worker.finish();
    EXPECT_EQ(started, 5);
}

TEST(BackgroundWorker, AnErrorReachesTheGiverOnceAndNothingAfterItIsDone) {
    BackgroundWorker worker(1);
    std::atomic<int> later{0};
    worker.add([] { throw std::runtime_error("disk full"); });
    int caught = 0;
    for (int job = 0; job < 20; ++job) try {
            worker.add([&] { ++later; });
        } catch (const std::runtime_error& e) {
            EXPECT_STREQ(e.what(), "disk full");
            ++caught;
        }
    worker.finish();
    EXPECT_EQ(caught, 1);
    EXPECT_EQ(later, 0);
}

TEST(BackgroundWorker, FinishThrowsToo) {
    BackgroundWorker worker(3);
    worker.add([] { throw std::runtime_error("late"); });
    EXPECT_THROW(worker.finish(), std::runtime_error);
    EXPECT_NO_THROW(worker.finish());
}

TEST(BackgroundWorker, EndsWithJobsLeft) {
    std::atomic<int> done{0};
    {
        BackgroundWorker worker(100);
        for (int job = 0; job < 50; ++job)
            worker.add([&] {
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
                ++done;
            });
    }
    EXPECT_LT(done, 50);
}

}  // namespace
}  // namespace schedbench
