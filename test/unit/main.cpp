// The entry point of the unit tests; every other file here adds a suite.

#define BOOST_TEST_MODULE pdpp
#include <boost/test/unit_test.hpp>
