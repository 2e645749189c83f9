// Sixteen pictures as one PGM, with the C API of ONNX Runtime (onnxruntime_c_api.h and libonnxruntime.so of its releases):
//
//	c++ -std=c++17 -I include sample.cpp -L lib -lonnxruntime -o sample && ./sample generator.onnx
#include <onnxruntime_c_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

static const OrtApi *ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);

static void check(OrtStatus *status) {
	if (status != nullptr) {
		std::fprintf(stderr, "%s\n", ort->GetErrorMessage(status));
		std::exit(1);
	}
}

int main(int argc, char **argv) {
	if (argc != 2 || ort == nullptr) {
		std::fprintf(stderr, "sample GENERATOR.onnx, with an ONNX Runtime not older than its header\n");
		return 1;
	}
	OrtEnv *env;
	check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "sample", &env));
	OrtSessionOptions *options;
	check(ort->CreateSessionOptions(&options));
	OrtSession *session;
	check(ort->CreateSession(env, argv[1], options, &session));

	std::mt19937 random(7);
	std::normal_distribution<float> normal;
	std::vector<float> noise(16 * 100);
	for (float &v : noise) v = normal(random);
	const int64_t shape[] = {16, 100};
	OrtMemoryInfo *memory;
	check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
	OrtValue *z;
	check(ort->CreateTensorWithDataAsOrtValue(memory, noise.data(), noise.size() * sizeof(float), shape, 2, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &z));

	const char *inputs[] = {"z"}, *outputs[] = {"image"};
	OrtValue *image = nullptr;
	check(ort->Run(session, nullptr, inputs, &z, 1, outputs, 1, &image));

	OrtTensorTypeAndShapeInfo *info;
	check(ort->GetTensorTypeAndShape(image, &info));
	int64_t dims[4]; // (16, 1, 28, 28), -1 is black and 1 is white
	check(ort->GetDimensions(info, dims, 4));
	const int n = dims[0], h = dims[2], w = dims[3];
	float *pixels;
	check(ort->GetTensorMutableData(image, (void **)&pixels));
	std::vector<unsigned char> grid(16 * h * w);
	for (int i = 0; i < n; i++)
		for (int y = 0; y < h; y++)
			for (int x = 0; x < w; x++)
				grid[(i / 4 * h + y) * 4 * w + i % 4 * w + x] = (unsigned char)std::clamp(127.5f * (pixels[(i * h + y) * w + x] + 1) + 0.5f, 0.0f, 255.0f);
	std::FILE *f = std::fopen("pictures.pgm", "wb");
	if (f == nullptr) return 1;
	std::fprintf(f, "P5 %d %d 255\n", 4 * w, 4 * h);
	std::fwrite(grid.data(), 1, grid.size(), f);
	std::fclose(f);
	std::printf("%d pictures of %d x %d\n", n, w, h);

	ort->ReleaseTensorTypeAndShapeInfo(info);
	ort->ReleaseValue(image);
	ort->ReleaseValue(z);
	ort->ReleaseMemoryInfo(memory);
	ort->ReleaseSession(session);
	ort->ReleaseSessionOptions(options);
	ort->ReleaseEnv(env);
}
