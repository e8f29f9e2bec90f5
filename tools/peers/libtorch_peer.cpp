// What libtorch's own dispatch and autograd cost, from C++, without Python: the rows of dispatch/ of cresset bench. tools/bench builds it
// where PyTorch's headers are. Prints, with tabs between: row, median, unit, least, most.
// usage: libtorch_peer [--only PREFIX]      (one thread: nothing here is worth two)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <torch/torch.h>

static std::string only;

static double seconds(const std::function<void()> &work, long times)
{
    auto begun = std::chrono::steady_clock::now();
    for (long i = 0; i < times; i++)
        work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

static void row(const std::string &name, const std::function<void()> &work)
{
    if (name.compare(0, only.size(), only) != 0)
        return;
    seconds(work, 100);
    double one = seconds(work, 100) / 100;
    long times = std::max(1L, (long)(0.25 / std::max(one, 1e-9)));
    std::vector<double> value;
    for (int i = 0; i < 7; i++)
        value.push_back(seconds(work, times) / (double)times * 1e6);
    std::sort(value.begin(), value.end());
    std::printf("%s\t%.4g\tus\t%.4g\t%.4g\n", name.c_str(), value[3], value.front(), value.back());
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (!std::strcmp(argv[i], "--only"))
            only = argv[i + 1];
    torch::set_num_threads(1);
    torch::Tensor plain = torch::randn({1}), leaf = torch::randn({1}, torch::requires_grad());
    {
        torch::NoGradGuard guard;
        row("dispatch/add_no_grad", [&] { torch::Tensor y = plain + plain; });
    }
    row("dispatch/add_grad", [&] { torch::Tensor y = leaf + leaf; });
    row("dispatch/chain1000_fwd_bwd", [&] {
        torch::Tensor y = leaf;
        for (int i = 0; i < 1000; i++)
            y = y + leaf;
        y.backward();
    });
    return 0;
}
